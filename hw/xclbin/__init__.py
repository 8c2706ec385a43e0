"""The container of a bitstream, as the runtime reads it."""
