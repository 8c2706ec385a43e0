"""The folding solver: finds the least hardware that meets a number of cycles per sample."""
