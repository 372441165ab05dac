"""Usage in bulk, outside GraphQL: events as CloudEvents or as lines of JSON."""

from kana.api.ingest.endpoint import events_endpoint

__all__ = ["events_endpoint"]
