"""Short trials: the trade-off between accuracy and work, and the contribution of each technique."""
