"""Properties of small parts, proven for every input up to a depth."""
