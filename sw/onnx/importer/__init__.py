"""Import of quantized ONNX models from elsewhere."""
