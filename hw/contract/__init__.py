"""The contract between software and hardware.

Standard library only; everything else is generated from it.
"""
