"""``twofold eval``: every backend on the same clips."""
