"""OFREP: what OpenFeature's own providers ask, so that a program that uses OpenFeature only changes an address."""

from __future__ import annotations

from kana.api.ofrep.endpoint import PATH, endpoint

__all__ = ["PATH", "endpoint"]
