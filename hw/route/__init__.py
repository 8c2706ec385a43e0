"""Bitstreams with open tools: machines behind a serial line, synthesised, routed and packed."""
