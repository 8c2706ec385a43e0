"""Evaluation: how often a network is right, where it is wrong, and how sure that is."""
