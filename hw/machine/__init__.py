"""The machine: a chain of stages, with parameter loader, counters and results."""
