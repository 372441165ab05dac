"""The Client API: what Kana published for browsers. Nothing but reading one's own entitlements."""

from kana.api.client.endpoint import endpoint

__all__ = ["endpoint"]
