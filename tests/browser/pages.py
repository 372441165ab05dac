"""Every page and form that the browser tests use. A new page is a line here, and so is a new form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

PAGES: tuple[str, ...] = (
    "/packages",
    "/packages?status=DRAFT&sort=-name",
    "/packages?q=nothing-is-called-this",
    "/package?id=basic",
    "/package?id=extra",
    "/package?id=pro%2F2026",
    "/package?id=hostile",
    "/package/new",
    "/package/edit?id=basic",
    "/package/edit?id=extra",
    "/package/duplicate?id=basic",
    "/package/publish?id=hostile",
    "/package/archive?id=basic",
    "/package/unarchive?id=old",
    "/package/delete?id=hostile",
    "/features",
    "/features?sort=-packages&type=BINARY",
    "/feature?id=message",
    "/feature?id=%3Cscript%3Ealert(1)%3C%2Fscript%3E",
    "/feature/new",
    "/insights",
    "/insights?from=2026-03-01&to=2026-03-10&step=HOUR&feature=message",
    "/insights/adoption",
    "/insights/users",
    "/insights/credits",
    "/insights/limits",
    "/insights/refusals",
    "/integrations",
    "/integrations/segment",
    "/integrations/segment?status=FAILED",
    "/integrations/segment/rules",
    "/integrations/segment/rule/new?event=Message%20sent",
    "/developer",
    "/console",
    "/console?example=1",
    "/developer/webhooks",
    "/developer/api",
    "/developer/api/address?id=recordUsage",
    "/log",
    "/log?subject=hostile",
    "/subscribers",
    "/subscribers?q=user&sort=email&package=basic",
    "/subscribers?q=nobody",
    "/subscribers/move",
    "/subscribers/move?package=basic&q=user&when=PERIOD_END&usage=CARRY",
    "/subscribers/move/preview?q=user&to=basic",
    "/subscribers/move/preview?package=old&to=basic",
    "/user?id=user-0",
    "/user/ledger?id=user-0&feature=message&outcome=REFUSED&from=2026-03-01",
    "/user/why?id=user-0",
    "/user/why?id=user-0&delta=20",
    "/user/new",
    "/user/edit?id=user-0",
    "/user/tokens?id=user-0",
    "/user/merge?id=user-0",
    "/user/delete?id=user-0",
    "/users/import",
)
"""Pages below ``/test`` and ``/live``, as an owner opens them."""

PAGES_EVERYWHERE: tuple[str, ...] = ("/people", "/account")
"""Pages that are in no environment."""

PAGES_OUTSIDE: tuple[str, ...] = ("/login", "/login?next=%2Flive%2Ffeatures")
"""Pages for those who are not signed in."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """Fields by their labels, a button by its name, and what the next page says. ``True`` ticks a box.

    ``follow`` are links and menus that lead from the page to the form, by what their names begin with.
    """

    page: str
    follow: tuple[str, ...] = ()
    fill: Mapping[str, str | bool] = field(default_factory=dict)
    press: str
    says: str


FORMS: tuple[Form, ...] = (
    Form(
        page="/feature/new",
        fill={"Name": "Exports", "Identifier": "exports", "Type": "Consumable", "Unit label, singular": "export"},
        press="Save",
        says="Feature Exports was created.",
    ),
    Form(page="/feature/new", fill={"Identifier": "exports"}, press="Save", says="already exists"),
    Form(page="/feature?id=exports", fill={"Name": "Exports 2"}, press="Save", says="Feature Exports 2 was saved."),
    Form(page="/feature?id=exports", fill={"Metadata": "{"}, press="Save", says="Metadata must be JSON"),
    Form(
        page="/package/new",
        fill={"Package name": "Gold", "Identifier": "gold", "Messages": True, "Limit of Messages": "1,000"},
        press="Save",
        says="Gold was created as a draft.",
    ),
    Form(
        page="/package/edit?id=gold",
        fill={"Limit of Messages": "many"},
        press="Save",
        says="A limit is a whole number",
    ),
    Form(
        page="/package/edit?id=gold",
        fill={"Trial of new subscriptions, in days": "500"},
        press="Save",
        says="A whole number from 1 to 365, or empty",
    ),
    Form(
        page="/package/edit?id=gold",
        fill={"Limit of Messages": "50", "Trial of new subscriptions, in days": "14"},
        press="Save",
        says="14 days for a new subscription",
    ),
    Form(page="/package/publish?id=gold", press="Publish", says="Gold was published"),
    Form(page="/package/duplicate?id=gold", press="Duplicate", says="Gold (copy) was created as a draft."),
    Form(page="/package/delete?id=gold-copy", press="Delete", says="gold-copy was deleted."),
    Form(
        page="/package/edit?id=basic",
        fill={"Limit of Messages": "5"},
        press="Save",
        says="3 subscribers have this package. The change takes effect for all of them at once.",
    ),
    Form(page="/insights", fill={"Step": "Week", "Feature": "Messages"}, press="Show", says="Units by package"),
    Form(page="/insights/users", fill={"Feature": "Messages"}, press="Show", says="No usage in this period."),
    Form(page="/insights/refusals", fill={"User": "user-0"}, press="Show", says="No refusals in this period."),
    Form(
        page="/integrations/segment/rule/new?event=Message%20sent",
        fill={"Property 1": "object.name", "Value 1": "message", "Feature": "Messages"},
        press="Create",
        says="Message sent was created.",
    ),
    Form(
        page="/integrations/segment/rules",
        follow=("Edit Message sent",),
        fill={"Rule name": "Messages"},
        press="Save",
        says="Messages was saved.",
    ),
    Form(
        page="/integrations/segment/rules",
        follow=("Delete Messages",),
        press="Delete",
        says="Messages was deleted.",
    ),
    Form(page="/integrations/segment", fill={"Status": "Failed"}, press="Filter", says="No events have this status."),
    Form(
        page="/developer",
        fill={"Kind": "Public", "Name": "Shop"},
        press="Create key",
        says="This is your new public key.",
    ),
    Form(page="/developer", press="Rotate pub_", says="This is your new public key."),
    Form(page="/developer", follow=("Revoke pub_",), press="Revoke", says="was revoked."),
    Form(page="/developer", press="Create secret", says="Existing ones stay valid."),
    Form(page="/developer", follow=("Revoke secret",), press="Revoke", says="was revoked."),
    Form(page="/developer", fill={"Accept user tokens only": True}, press="Save", says="now accepts user tokens only"),
    Form(page="/developer", fill={"Accept user tokens only": False}, press="Save", says="user tokens and public keys"),
    Form(page="/developer", fill={"Time zone": "Mars"}, press="Save time zone", says="must be an IANA name"),
    Form(page="/developer", fill={"Time zone": "UTC"}, press="Save time zone", says="now follow UTC"),
    Form(
        page="/developer/webhooks",
        fill={"Address": "http://8.8.8.8"},
        press="Create endpoint",
        says="must begin with https",
    ),
    Form(
        page="/developer/webhooks",
        fill={"Address": "https://8.8.8.8/hooks", "top_up.used_up": True},
        press="Create endpoint",
        says="it is not shown again",
    ),
    Form(page="/developer/webhooks", follow=("https://8.8.8.8/hooks",), press="Replay", says="is sent again."),
    Form(
        page="/developer/webhooks",
        follow=("https://8.8.8.8/hooks",),
        press="Disable",
        says="Nothing more is sent to it.",
    ),
    Form(
        page="/developer/webhooks", follow=("https://8.8.8.8/hooks",), press="Enable", says="goes on where it stopped"
    ),
    Form(
        page="/developer/webhooks",
        follow=("https://8.8.8.8/hooks",),
        press="Rotate secret",
        says="signs too for 24 hours",
    ),
    Form(page="/developer/webhooks", follow=("https://8.8.8.8/hooks", "Delete"), press="Delete", says="was deleted."),
    Form(page="/log", fill={"Identifier of the changed object": "exports"}, press="Filter", says="Exports 2"),
    Form(page="/packages", fill={"Search packages": "pro"}, press="Filter", says="1 found"),
    Form(
        page="/user/new",
        fill={"Identifier": "ada", "Name": "Ada", "E-mail address": "ada@example.com"},
        press="Save",
        says="ada was created.",
    ),
    Form(page="/user/edit?id=ada", fill={"Metadata": "{"}, press="Save", says="Metadata must be JSON"),
    Form(page="/user/edit?id=ada", fill={"Name": "Ada L."}, press="Save", says="ada was saved."),
    Form(page="/user?id=ada", fill={"Subscribe to": "Basic Plan"}, press="Subscribe", says="The user now has basic."),
    Form(
        page="/user?id=ada",
        fill={"Feature": "Messages", "Amount": "3", "Reason": "A gift"},
        press="Record",
        says="Recorded 3 of message.",
    ),
    Form(
        page="/user?id=ada",
        fill={"Feature": "Messages", "Amount": "2", "Reason": "Too much"},
        press="Give back",
        says="Gave back 2 of message.",
    ),
    Form(
        page="/user?id=ada",
        fill={"Feature": "Messages", "Amount": "11", "Reason": "More"},
        press="Record",
        says="The limit of 10 is reached for this period: 1 used, 11 more would exceed it",
    ),
    Form(
        page="/user?id=ada",
        fill={"Entries of": "Messages", "From": "2026-01-01", "Outcome": "Limit reached"},
        press="Search",
        says="1 used, 11 more would exceed it",
    ),
    Form(page="/user/ledger?id=ada", fill={"To": "2026-01-01"}, press="Search", says="No entries match."),
    Form(
        page="/user/ledger?id=ada&outcome=RECORDED",
        follow=("Entry ",),
        fill={"Reason": "Given back to the wrong user"},
        press="Reverse",
        says="was reversed.",
    ),
    Form(
        page="/user?id=ada",
        follow=("Give units",),
        fill={"Give units of": "Messages", "Units": "500", "Last day": "2099-12-31", "Why they get it": "Bought 500"},
        press="Give",
        says="The user was given 500 of message.",
    ),
    Form(
        page="/user?id=ada",
        follow=("Give units",),
        fill={"Units": "many", "Why they get it": "Bought 500"},
        press="Give",
        says="Units must be a whole number",
    ),
    Form(
        page="/user?id=ada",
        follow=("Actions for the top-up of Messages", "End top-up"),
        press="End top-up",
        says="The top-up was ended.",
    ),
    Form(
        page="/user?id=ada",
        follow=("Set an exception",),
        fill={"Exception for": "Messages", "Limit": "20", "Why there is an exception": "Agreed"},
        press="Set",
        says="The exception for message applies from now on.",
    ),
    Form(
        page="/user?id=ada",
        follow=("Set an exception",),
        fill={"Exception for": "Messages", "Limit": "", "Why there is an exception": "Forgotten"},
        press="Set",
        says="Limit must be a whole number from 0",
    ),
    Form(
        page="/user?id=ada",
        follow=("Actions for the override of Messages", "End override"),
        press="End override",
        says="The override was ended.",
    ),
    Form(page="/subscribers", fill={"Package": "Basic Plan"}, press="Filter", says="ada@example.com"),
    Form(
        page="/user?id=ada",
        fill={"Change Basic Plan to": "Gold", "When": "At the end of the period", "Usage": "Counts on"},
        press="Change",
        says="The user will change to gold.",
    ),
    Form(
        page="/user?id=ada",
        follow=("Actions for Basic Plan", "Resume"),
        press="Resume subscription",
        says="The subscription goes on.",
    ),
    Form(page="/user?id=ada", fill={"Change Basic Plan to": "Gold"}, press="Change", says="The user changed to gold."),
    Form(
        page="/user?id=ada",
        follow=("Actions for Gold", "Cancel at period end"),
        press="Cancel subscription",
        says="The subscription was cancelled.",
    ),
    Form(page="/user?id=ada", follow=("Revoke tokens",), press="Revoke", says="The tokens of ada were revoked."),
    Form(
        page="/user?id=ada",
        follow=("Merge",),
        fill={"Identifier of the other user": "nobody", "Type ada to confirm": "ada"},
        press="Merge users",
        says="User not found: 'nobody'",
    ),
    Form(
        page="/user/merge?id=user-1",
        fill={"Identifier of the other user": "ada", "Type user-1 to confirm": "user-1"},
        press="Merge users",
        says="user-1 was merged into ada.",
    ),
    Form(
        page="/user?id=ada",
        follow=("Delete",),
        fill={"Type ada to confirm": "bob"},
        press="Delete user",
        says="Type ada to delete this user.",
    ),
    Form(
        page="/user/delete?id=ada",
        fill={"Type ada to confirm": "ada"},
        press="Delete user",
        says="The user was deleted.",
    ),
    Form(
        page="/subscribers?package=basic",
        follow=("Move to another package",),
        fill={"Users who have": "Any package", "Move to": "Gold"},
        press="Preview",
        says="Choose the package that they have, type what they begin with, or list them.",
    ),
    Form(
        page="/subscribers?package=basic",
        follow=("Move to another package",),
        fill={"Move to": "Gold", "When": "At the end of each user's period", "Usage": "Counts on"},
        press="Preview",
        says="Would move: 2",
    ),
    Form(
        page="/subscribers/move/preview?package=basic&to=gold",
        press="Move them all",
        says="From Basic Plan to Gold",
    ),
    Form(
        page="/subscribers/move",
        follow=("Move of", "Move back"),
        press="Move back",
        says="From Basic Plan to Gold",
    ),
    Form(page="/package/archive?id=gold", press="Archive", says="Gold was archived."),
    Form(page="/package/unarchive?id=gold", press="Unarchive", says="Gold was unarchived."),
)
"""Sent in this order in each environment, by an owner."""

OF_A_FILE = ("/users/import", "/users/import/carry-out")
"""Forms with a file, which have a test of their own."""

OF_A_RESERVATION = ("/user/reservation/release", "/user/reservation/settle")
"""Forms of what an application has set aside, which have a test of their own."""

OF_AN_EVENT = ("/integrations/segment/retry",)
"""Forms of an event that failed, which have a test of their own."""

OF_A_DELIVERY = ("/developer/webhook/resend",)
"""The form of what was sent to a webhook, as nothing is here: tests/dashboard/test_webhooks.py sends it."""
