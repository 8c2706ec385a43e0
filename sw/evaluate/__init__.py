"""Evaluation: accuracy of a network, where it is wrong, and confidence intervals."""
