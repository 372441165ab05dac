"""Notifications of what has happened: finding them and reading them."""
