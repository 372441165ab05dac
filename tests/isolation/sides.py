"""Two environments with the same ids: what each holds, and how what is live's own is recognised anywhere."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import httpx

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.api.admin import webhook_calls as webhooks
from tests.api.admin.calls import (
    ARCHIVE,
    CHANGE_MANY,
    CREATE_FEATURE,
    CREATE_PACKAGE,
    CREATE_TOP_UP,
    CREATE_USER,
    PUBLISH,
    RECORD,
    RESERVE,
    SET_OVERRIDE,
    SUBSCRIBE,
)
from tests.api.segment.calls import CREATE_RULE
from tests.support.serving import Served

TEST, LIVE = Environment.TEST, Environment.LIVE

WHOLE = {"people", "sessions", "invitations", "sign_in_tries", "workspace"}
"""Tables that no environment owns: nothing in them may change at all."""

_TOKEN = re.compile(r"eyJ[\w-]+\.(eyJ[\w-]+)\.[\w-]+")


ADA, FRESH, MOVER, LEAVER, RENAMED = "ada", "fresh", "mover", "leaver", "to-rename"
"""Ada is on basic and has used some; fresh is on nothing; mover and leaver are on basic; renamed will be."""

DELETED, MERGED = "user-to-delete", "user-to-merge"
"""On basic, with usage, until they are deleted, or merged into ada."""


@dataclass
class Side:
    """One environment, through its keys. Whatever can be told apart says ``word``, or is ``number``."""

    served: Served
    environment: Environment
    word: str
    number: int
    subscriptions: dict[str, str] = field(default_factory=dict)
    rules: dict[str, str] = field(default_factory=dict)
    failed: str = ""
    entry: str = ""
    top_up: str = ""
    override: str = ""
    changes: str = ""
    reservation: str = ""
    webhook: str = ""
    delivery: str = ""

    @property
    def private_key(self) -> str:
        return self.served.keys[self.environment][KeyKind.PRIVATE]

    @property
    def public_key(self) -> str:
        return self.served.keys[self.environment][KeyKind.PUBLIC]

    def ask(self, query: str, **variables: Any) -> Any:
        """Ask the Admin API with this side's key."""
        return self.served.ask(query, variables, key=self.private_key)

    def graphql(self, query: str, variables: dict[str, Any]) -> httpx.Response:
        answer = self.served.post(query, variables, key=self.private_key)
        if "MappingRule(" in query:
            self._wait_until_replayed()
        if ("mutation" in query and "ubscriptionChanges" in query) or "changeSubscriptions(" in query:
            self._wait_until_moved()
        return answer

    def segment(self, path: str, message: dict[str, Any]) -> httpx.Response:
        """Post a message as one of Segment's libraries does; its properties and traits say whose it is."""
        message = {**message, "properties": {"of": self.word}, "traits": {"name": self.word}}
        body = {"batch": [message]} if path.rstrip("/") in ("/v1/batch", "/v1/import", "/v1/b") else message
        return self.served.http.post(path, json=body, auth=(self.private_key, ""))

    def furnish(self) -> None:
        """Make features, packages, users, subscriptions and usage under ids that the other side has too."""
        self.webhook = self._make_webhook()
        metadata = {"of": self.word}
        label = {"unitLabel": f"{self.word} message", "unitLabelPlural": f"{self.word} messages"}
        message = {"id": "message", "name": f"{self.word} Message", "type": "CONSUMABLE", "metadata": metadata, **label}
        self.ask(CREATE_FEATURE, input=message)
        self.ask(CREATE_FEATURE, input={"id": "support", "name": f"{self.word} Support", "type": "BINARY"})
        held = {"id": "message", "name": f"{self.word} held", "entitlement": self._entitlement()}
        for package_id in ("basic", "other", "to-archive", "archived", "to-publish", "to-delete"):
            given = {"id": package_id, "name": f"{self.word} {package_id}", "metadata": metadata}
            self.ask(CREATE_PACKAGE, input={**given, "features": [held, {"id": "support"}]})
            if package_id not in ("to-publish", "to-delete"):
                self.ask(PUBLISH, id=package_id)
        self.ask(ARCHIVE, id="archived")
        for user_id in (ADA, FRESH, MOVER, LEAVER, RENAMED, DELETED, MERGED):
            self.ask(CREATE_USER, input={"id": user_id, **self._person(), "metadata": metadata})
        for user_id in (ADA, MOVER, LEAVER, DELETED, MERGED):
            [made] = self.ask(SUBSCRIBE, userId=user_id, packageIds=["basic"])["subscribe"]
            self.subscriptions[user_id] = made["id"]
            made = self.ask(RECORD, input={"userId": user_id, "featureId": "message", "delta": self.number})
            self.entry = self.entry or made["recordUsage"]["id"]
        given = {"userId": MOVER, "featureId": "message", "reason": f"{self.word} asked"}
        self.top_up = self.ask(CREATE_TOP_UP, input={**given, "amount": self.number})["createTopUp"]["id"]
        self.override = self.ask(SET_OVERRIDE, input={**given, "limit": self.number})["setOverride"]["id"]
        self.ask(RECORD, input={"userId": MOVER, "featureId": "message"})
        many = {"userIds": [FRESH], "packageId": "other"}
        self.changes = self.ask(CHANGE_MANY, input=many)["changeSubscriptions"]["id"]
        lines = [{"featureId": "message", "units": self.number}]
        made = self.ask(RESERVE, input={"userId": LEAVER, "lines": lines, "ttlSeconds": 86_400})
        self.reservation = made["reserve"]["reservation"]["id"]
        for name in ("to change", "to delete"):
            condition = {"path": f"{self.word}.path", "value": self.word}
            named = {"name": f"{self.word} {name}", "featureId": "message"}
            made = self.ask(CREATE_RULE, input={**named, "conditions": [condition]})["createMappingRule"]
            self.rules[name] = made["id"]
        self.segment("/v1/track", {"messageId": "one", "userId": ADA, "event": f"{self.word} event"})
        self.segment("/v1/track", {"messageId": "failed", "userId": ["nobody"], "event": f"{self.word} event"})
        [failed] = self.ask("{ segmentEvents(status: FAILED) { id } }")["segmentEvents"]
        self.failed = failed["id"]
        self.delivery = self._deliver()
        self.settle()

    @property
    def endpoint(self) -> dict[str, Any]:
        """What an endpoint is made of that gets nothing: of what it is for, nothing happens."""
        return {"url": f"https://8.8.8.8/{self.word}", "types": ["top_up.used_up"]}

    def _make_webhook(self) -> str:
        """Make an endpoint that is disabled, so that nothing is sent to it; return its id."""
        made = self.ask(webhooks.CREATE, input={**self.endpoint, "types": []})["createWebhookEndpoint"]
        return str(self.ask(webhooks.DISABLE, id=made["id"])["updateWebhookEndpoint"]["id"])

    def _deliver(self) -> str:
        """Make the deliveries of the endpoint, which wait to be sent; return the id of a notification."""
        store, now = self.served.store.webhooks, self.served.clock()
        [endpoint] = self.served.run(store.endpoints(self.environment))
        self.served.run(store.fill(endpoint, limit=1000, most=1000, now=now))
        return str(self.ask(webhooks.DELIVERIES, id=self.webhook)["webhookDeliveries"][-1]["notificationId"])

    def settle(self) -> None:
        """Wait until the server has done what it does in its own time."""
        self._wait_until_replayed()
        self._wait_until_moved()

    def _wait_until_moved(self) -> None:
        """Wait until the server has moved all users whom it was told to move, which it does in its own time."""
        until = time.monotonic() + 10
        while self.served.run(self.served.store.bulk_changes.open_changes()):
            assert time.monotonic() < until
            time.sleep(0.01)

    def _wait_until_replayed(self) -> None:
        """Wait until the server has noted that it held events against the rules, which it does in its own time."""
        until = time.monotonic() + 10
        while not all(rule["isReplayed"] for rule in self.ask("{ mappingRules { isReplayed } }")["mappingRules"]):
            assert time.monotonic() < until
            time.sleep(0.01)

    def _entitlement(self) -> dict[str, Any]:
        return {"limit": self.number * 10, "resetPeriod": "MONTH", "overageEnabled": self.environment is LIVE}

    def _person(self) -> dict[str, str]:
        return {"name": f"{self.word} Person", "email": f"{self.word}@example.com", "billingId": f"cus_{self.word}"}

    def marks(self) -> list[str]:
        """What is this side's alone, as answers and errors would show it."""
        keyring = self.served.run(self.served.engine.access.keyring())
        app_id = keyring.environments[self.environment].app_id
        ids = (
            *self.subscriptions.values(),
            *self.rules.values(),
            self.entry,
            self.top_up,
            self.override,
            self.changes,
            self.webhook,
        )
        return [self.word, app_id, f"{self.environment}_", *ids]


def marked(side: Side, answer: httpx.Response) -> list[str]:
    """What an answer shows of a side, in headers and body, and in the payload of any user token in it."""
    shown = json.dumps(dict(answer.headers)) + answer.text
    for payload in _TOKEN.findall(answer.text):
        shown += base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)).decode("utf-8", "replace")
    amounts = set(re.findall(r"(?<![\w.-])\d+(?![\w-])", shown)) & {str(side.number), str(side.number * 10)}
    return [*sorted(amounts), *(mark for mark in side.marks() if mark in shown)]


LATER = {
    ("keys", "used_at"),
    ("notifications", "position"),
    ("notification_positions", "last"),
    ("notification_positions", "looked_until"),
    ("webhook_endpoints", "position"),
}
"""Columns that are written in the background: up to a minute after a call, or every few seconds without one."""


def rows_of(side: Side, path: Path) -> str:
    """A digest of every row that is not the other side's, table by table, read from the file behind the server."""
    other = TEST if side.environment is LIVE else LIVE
    digest = hashlib.sha256()
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    tables = [name for (name,) in connection.execute("select name from sqlite_master where type = 'table' order by 1")]
    for table in tables:
        columns = [row[1] for row in connection.execute(f"pragma table_info({table})")]
        told = ", ".join(column for column in columns if (table, column) not in LATER)
        for row in connection.execute(f"select {told} from {table} where {_of(table, columns, other)} order by {told}"):
            digest.update(repr((table, row)).encode())
    connection.close()
    return digest.hexdigest()


def _of(table: str, columns: list[str], other: Environment) -> str:
    """The condition that a row of a table does not belong to the other side.

    Raises:
        AssertionError: a table has no environment, and nothing says whose its rows are.
    """
    if table == "notification_positions":
        return f"environment is not '{other}' and last > 0"  # The row is there once it was looked for what is due.
    if "environment" in columns:
        return f"environment is not '{other}'"
    if table == "user_import_pages":
        return f"import_id not in (select id from user_imports where environment = '{other}')"
    if table == "bulk_change_users":
        return f"change_id not in (select id from bulk_changes where environment = '{other}')"
    if table == "catalog_pages":
        return f"change_id not in (select id from catalog_changes where environment = '{other}')"
    if table == "counters":
        holders = " union ".join(
            f"select id from {name} where environment = '{other}'" for name in ("subscriptions", "given")
        )
        return f"abs(subscription_id) not in ({holders})"
    assert table in WHOLE, f"whose are the rows of {table}?"
    return "true"


@dataclass
class Pair:
    """Test, whose key is used, and live, of which nothing may be seen."""

    test: Side
    live: Side
    path: Path


def check_apart(pair: Pair, call: Callable[[Side], httpx.Response]) -> httpx.Response:
    """Make a call as test: nothing of live is in the answer, and no row of live is another than before."""
    before = rows_of(pair.live, pair.path)
    answer = call(pair.test)
    assert marked(pair.live, answer) == []
    assert rows_of(pair.live, pair.path) == before
    return answer


def leaves_mark(pair: Pair, call: Callable[[Side], httpx.Response]) -> bool:
    """Whether the same call as live shows or changes something of live: so the check above can fail."""
    before = rows_of(pair.live, pair.path)
    answer = call(pair.live)
    return bool(marked(pair.live, answer)) or rows_of(pair.live, pair.path) != before
