"""What drives machines and models in tests: random networks, and where winners lie."""
