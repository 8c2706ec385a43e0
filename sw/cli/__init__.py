"""The command line, ``twofold``."""
