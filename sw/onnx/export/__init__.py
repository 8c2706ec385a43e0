"""Export of quantized networks to standard ONNX."""
