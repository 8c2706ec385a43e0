"""Primitives: memories, multipliers, queues, and how a tile becomes a module of its own."""
