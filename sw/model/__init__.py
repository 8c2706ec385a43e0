"""Networks in PyTorch: layers with complementary masks and winners, and fast kernels for them."""
