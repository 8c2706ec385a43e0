"""What a user of a card runs: ``twofold devices``, ``check``, ``infer`` and ``time``."""
