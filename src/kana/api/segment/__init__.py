"""Segment's webhook, and the addresses that Segment's and RudderStack's own libraries post to."""

from kana.api.segment.endpoint import routes

__all__ = ["routes"]
