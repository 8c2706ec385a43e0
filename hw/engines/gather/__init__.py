"""The gather stage: kernels with few taps, over a dense image."""
