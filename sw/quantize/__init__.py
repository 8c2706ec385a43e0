"""Quantization: from a trained float network to integers, and their evaluation in PyTorch."""
