"""What the three examples share: where Kana is, and what the print shop sells."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from kana.errors import Conflict, SubscriptionRefused
from kana.sdk import Grant, KanaAdmin

KEY = os.environ.get("KANA_KEY", "")
ENDPOINT = os.environ.get("KANA_ENDPOINT", "http://127.0.0.1:8080")

if not KEY:
    sys.exit("Put the private key of the test environment, which `make serve` printed, into KANA_KEY.")

REPORTS = {"sales": "Sales were up.", "costs": "Costs were down."}


def set_up() -> None:
    """Create the shop's features, a package with 5 pages a month, and a reader who has it, unless they are there."""
    with KanaAdmin(api_key=KEY, endpoint=ENDPOINT) as kana:
        with suppress(Conflict):
            kana.features.create(id="pages", type="CONSUMABLE", unit_label="page", unit_label_plural="pages")
        with suppress(Conflict):
            kana.features.create(id="preview", type="BINARY")
        with suppress(Conflict):
            kana.packages.create(
                id="printing", features=[Grant(id="pages", limit=5, reset_period="MONTH"), Grant(id="preview")]
            )
        with suppress(Conflict):
            kana.packages.publish(id="printing")
        with suppress(Conflict):
            kana.users.create(id="reader")
        with suppress(SubscriptionRefused):
            kana.subscriptions.create(user_id="reader", package_ids=["printing"])
