"""Networks from elsewhere: quantized ONNX models read into the contract."""
