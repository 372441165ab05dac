"""Segment's webhook, and the endpoints of Segment's and RudderStack's own libraries."""

from kana.api.segment.endpoint import routes
from kana.api.segment.messages import read_again

__all__ = ["read_again", "routes"]
