"""The software: data, training, quantization, export, packing and drivers."""
