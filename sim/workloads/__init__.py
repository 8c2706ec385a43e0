"""Which samples to send: recorded, rendered or random."""
