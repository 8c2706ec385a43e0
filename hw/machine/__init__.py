"""The machine: stages around a loader of parameters, counters and results."""
