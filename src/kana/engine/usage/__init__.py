"""Deciding and recording usage, and what it adds up to."""
