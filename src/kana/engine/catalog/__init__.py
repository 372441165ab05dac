"""Changing features and packages, one by one or as a whole file."""
