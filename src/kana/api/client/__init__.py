"""The Client API, which Kana published for browsers: a user's own entitlements, read-only."""

from kana.api.client.endpoint import endpoint

__all__ = ["endpoint"]
