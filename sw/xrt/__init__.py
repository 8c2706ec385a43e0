"""The vendor's runtime, through its C API or through PYNQ. Loaded only on use."""
