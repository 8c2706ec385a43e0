"""The contract between software and hardware; standard library only. Everything else is generated from it."""
