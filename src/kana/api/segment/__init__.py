"""Segment's webhook, and the addresses that Segment's and RudderStack's own libraries post to."""

from kana.api.segment.endpoint import routes
from kana.api.segment.messages import read_again

__all__ = ["read_again", "routes"]
