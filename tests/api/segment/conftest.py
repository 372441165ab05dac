"""Segment's addresses, served on each kind of store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.api.admin.calls import CREATE_FEATURE, CREATE_PACKAGE, CREATE_USER, PUBLISH, SUBSCRIBE
from tests.support.serving import Served
from tests.support.stores import STORES, Place, place

__all__ = ["place"]


def furnish(served: Served, *, limit: int | None = None) -> None:
    """Make the feature `messages`, and ada, who is subscribed to a package that holds it."""
    entitlement = {"limit": limit, "resetPeriod": "MONTH"}
    features = [{"id": "messages", "entitlement": entitlement}]
    served.ask(CREATE_FEATURE, {"input": {"id": "messages", "type": "CONSUMABLE"}})
    served.ask(CREATE_PACKAGE, {"input": {"id": "basic", "features": features}})
    served.ask(PUBLISH, {"id": "basic"})
    served.ask(CREATE_USER, {"input": {"id": "ada"}})
    served.ask(SUBSCRIBE, {"userId": "ada", "packageIds": ["basic"]})


@pytest.fixture
def served(place: Place) -> Iterator[Served]:
    """The application with one feature, one package and one subscribed user."""
    with Served(place) as served:
        furnish(served)
        yield served


@pytest.fixture(scope="module", params=STORES)
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same, shared by the tests of one file that change nothing."""
    with Served(STORES[request.param](request, tmp_path_factory.mktemp("shared"))) as served:
        furnish(served)
        yield served
