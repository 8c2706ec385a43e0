"""Networks as files for LiteRT, written with its own schema: no converter, no TensorFlow."""
