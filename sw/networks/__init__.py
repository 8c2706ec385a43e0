"""Trained networks that Twofold ships, one file for each preset; `twofold train` makes them."""
