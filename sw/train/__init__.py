"""Training: from audio to a float network in the structure of the hardware."""
