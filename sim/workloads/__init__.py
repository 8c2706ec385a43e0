"""Which words to send: recorded, rendered or drawn."""
