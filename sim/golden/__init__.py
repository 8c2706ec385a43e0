"""The golden model: the network in NumPy integers, which everything else has to equal."""
