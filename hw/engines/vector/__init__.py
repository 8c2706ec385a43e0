"""The vector stage: a linear layer over the network's input."""
