"""Trials at reduced length: the trade of accuracy against work, and what each idea is worth."""
