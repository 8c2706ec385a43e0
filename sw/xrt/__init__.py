"""The vendor's runtime: through its C interface, or through PYNQ. Loaded only when it is used."""
