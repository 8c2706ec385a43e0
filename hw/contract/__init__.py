"""The contract between software and hardware.

Uses only the standard library; everything else is derived from it.
"""
