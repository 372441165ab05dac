"""The pages that show the addresses of ``/v1``."""

from __future__ import annotations

import re
from html import unescape

from kana.api.v1.addresses import ADDRESSES
from kana.model.colleague import Role
from tests.dashboard.desk import Desk, text_of


def test_every_address_is_listed_and_has_a_page(desk: Desk) -> None:
    """Whoever signs in sees them; each says what it takes and answers, and which command calls it."""
    viewer = desk.colleague(Role.VIEWER)
    html = viewer.get("/test/developer/api")
    for each in ADDRESSES:
        assert f"{each.method} {each.path} " in text_of(html)

    links = [unescape(link) for link in re.findall(r'href="(/test/developer/api/address[^"]*)"', html)]
    assert len(links) == len(ADDRESSES)
    for link in links:
        assert "curl -X" in unescape(viewer.get(link))


def test_a_page_has_every_field_however_deep(desk: Desk) -> None:
    """With where it is, what it may be, whether it has to be given, and what it means."""
    page = text_of(desk.colleague(Role.VIEWER).get("/test/developer/api/address?id=consume"))
    assert "POST /v1/consume" in page
    assert "Idempotency-Key header string No Makes a retry safe" in page
    assert "lines body array Yes 1 to 20, each of another feature." in page
    assert "lines[].units body integer Yes 1 or more; when settling 0 too." in page
    assert "lines[].consumption.used integer" in page
    assert "reservation.status OPEN, SETTLED, RELEASED, ENDED" in page
    assert """--data '{"userId": "userId", "lines": []}'""" in page


def test_an_address_that_there_is_not_is_404(desk: Desk) -> None:
    """In words."""
    html = desk.colleague(Role.VIEWER).get("/test/developer/api/address?id=nothing", status=404)
    assert "Address not found: 'nothing'" in unescape(html)
