"""Webhooks: managing endpoints, and delivering notifications to them."""
