"""Deciding and recording usage, and reports about it."""
