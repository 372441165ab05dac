"""``/v1``: everything that the Admin API can do, as JSON over HTTP, described by OpenAPI 3.1."""

from kana.api.v1.endpoint import endpoint
from kana.api.v1.openapi import document, document_json
from kana.api.v1.stream import stream

__all__ = ["document", "document_json", "endpoint", "stream"]
