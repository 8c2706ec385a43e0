"""Properties of small parts, proven for all inputs up to a given depth."""
