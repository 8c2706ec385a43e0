"""A machine behind a serial line: UART, frames, and a core with a store of samples and results."""
