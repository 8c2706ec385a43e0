"""The folding solver: the least hardware that reaches a number of cycles a sample."""
