"""Webhooks: endpoints with their secrets, and the deliveries of notifications to them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from kana.engine.ports.webhooks import Claim, DeliveryChange, EndpointChange
from kana.errors import Conflict, WebhookNotFound
from kana.model.environment import Actor, Environment
from kana.model.notification import NotificationType
from kana.model.period import from_milliseconds, to_milliseconds
from kana.model.webhook import SECRET_BYTES, Attempt, DeliveryState, WebhookDelivery, WebhookEndpoint
from kana.store.log import log_row, verb
from kana.store.notifications import last_position, notification_from, place_all
from kana.store.sealing import Seal
from kana.store.session import Row, Session, Transactions
from kana.store.values import optional_milliseconds, optional_moment, to_json

_Result = TypeVar("_Result")
_LOST = "The key of its secret is lost: rotate the secret, then enable it."
_LANE = 8
"""Where the lane is in a row, after the columns of a delivery."""


class Webhooks:
    """Stores webhooks. ``WebhookStore`` says what each call promises.

    The row of an endpoint is locked by each transaction that changes its deliveries.
    """

    def __init__(self, transactions: Transactions, seal: Seal) -> None:
        self._transactions = transactions
        self._seal = seal

    async def endpoints(self, environment: Environment) -> list[WebhookEndpoint]:
        """Return the endpoints of an environment."""
        found = await self._transactions.read(lambda session: session.rows("list_endpoints", environment.value))
        return [_endpoint_from(row) for row in found]

    async def add_endpoint(
        self, endpoint: WebhookEndpoint, secret: bytes, *, most: int, by: Actor, now: datetime
    ) -> WebhookEndpoint:
        """Add an endpoint."""
        environment = endpoint.environment
        await place_all(self._transactions, environment)

        async def work(session: Session) -> WebhookEndpoint:
            await session.value("lock_environment", environment)
            if len(await session.rows("list_endpoints", environment.value)) >= most:
                raise Conflict(f"there are {most} webhook endpoints already; delete one first")
            added = replace(endpoint, position=await last_position(session, environment))
            kept = self._seal.close(secret, about=_about(environment, endpoint.id))
            await session.execute("add_endpoint", *_endpoint_row(added), kept)
            await session.execute("add_log_line", *_log_row(None, added, by=by, now=now))
            return added

        return await self._transactions.write(work)

    async def change_endpoint(
        self, environment: Environment, endpoint_id: int, change: EndpointChange, *, by: Actor, now: datetime
    ) -> WebhookEndpoint:
        """Change an endpoint."""

        async def work(session: Session, old: WebhookEndpoint) -> WebhookEndpoint:
            return await _change(session, old, change(old), by=by, now=now)

        return await self._locked(environment, endpoint_id, work)

    async def remove_endpoint(
        self, environment: Environment, endpoint_id: int, *, by: Actor, now: datetime
    ) -> WebhookEndpoint:
        """Delete an endpoint."""

        async def work(session: Session, old: WebhookEndpoint) -> WebhookEndpoint:
            await session.execute("delete_endpoint", endpoint_id)
            await session.execute("delete_pending", endpoint_id)
            await session.execute("add_log_line", *_log_row(old, None, by=by, now=now))
            return old

        return await self._locked(environment, endpoint_id, work)

    async def rotate_secret(
        self, environment: Environment, endpoint_id: int, secret: bytes, *, until: datetime, by: Actor, now: datetime
    ) -> WebhookEndpoint:
        """Sign with a new secret too."""
        kept = self._seal.close(secret, about=_about(environment, endpoint_id))

        async def work(session: Session, old: WebhookEndpoint) -> WebhookEndpoint:
            await session.execute("rotate_endpoint", endpoint_id, kept, to_milliseconds(until))
            subject = ("webhook secret", str(endpoint_id))
            line = log_row("created", subject, environment=environment, before=None, after=None, by=by, now=now)
            await session.execute("add_log_line", *line)
            return replace(old, previous_secret_ends_at=until)

        return await self._locked(environment, endpoint_id, work)

    async def replay(self, environment: Environment, endpoint_id: int, *, since: datetime) -> WebhookEndpoint:
        """Put the position back."""

        async def work(session: Session, old: WebhookEndpoint) -> WebhookEndpoint:
            first = await session.value("first_position_since", environment.value, to_milliseconds(since))
            new = replace(old, position=old.position if first is None else min(old.position, first - 1))
            await session.execute("change_endpoint", *_endpoint_row(new))
            return new

        return await self._locked(environment, endpoint_id, work)

    async def fill(self, endpoint: WebhookEndpoint, *, limit: int, most: int, now: datetime) -> bool:
        """Add deliveries."""
        environment = endpoint.environment
        await place_all(self._transactions, environment)

        async def is_behind(session: Session) -> bool:
            return bool(await session.rows("list_to_deliver", environment.value, endpoint.position, 1))

        async def work(session: Session, current: WebhookEndpoint) -> bool:
            if await session.value("count_pending", current.id, most) >= most:
                return False
            found = await session.rows("list_to_deliver", environment.value, current.position, limit)
            wanted = [row for row in found if current.wants(NotificationType(row[2]))]
            rows = [(current.id, number, environment.value, *rest) for number, *rest in wanted]
            await session.many("add_delivery", rows)
            if rows:
                await session.execute("open_lanes", current.id, to_milliseconds(now))
            if found:
                await session.execute("change_endpoint", *_endpoint_row(replace(current, position=found[-1][0])))
            return len(found) == limit

        if not await self._transactions.read(is_behind):
            return False
        return await self._locked(environment, endpoint.id, work)

    async def claim(self, endpoint: WebhookEndpoint, *, limit: int, until: datetime, now: datetime) -> list[Claim]:
        """Claim deliveries that are due."""
        due = (endpoint.id, to_milliseconds(now))

        async def has_due(session: Session) -> bool:
            return await session.value("has_due", *due) is not None

        async def work(session: Session, current: WebhookEndpoint) -> list[Claim]:
            found = await session.rows("list_due", *due, limit) if current.is_enabled else []
            kept = [row for row in found if row[_LANE + 1] is not None]
            for row in found:
                if row not in kept:  # The notification is forgotten.
                    await session.execute("delete_delivery", *row[:2])
                    await session.execute("open_lane", current.id, row[_LANE], to_milliseconds(now))
            await session.many("claim_delivery", [(*row[:2], to_milliseconds(until)) for row in kept])
            signing = await self._secrets(session, current, now)
            return [
                Claim(
                    endpoint=current,
                    delivery=_delivery_from(row),
                    notification=notification_from(row[_LANE + 1 :]),
                    secrets=signing,
                )
                for row in kept
            ]

        if not await self._transactions.read(has_due):
            return []
        return await self._locked(endpoint.environment, endpoint.id, work)

    async def settle(
        self,
        environment: Environment,
        delivery: WebhookDelivery,
        changes: tuple[EndpointChange, DeliveryChange],
        *,
        by: Actor,
        now: datetime,
    ) -> None:
        """Write what came of sending."""
        change_endpoint, change_delivery = changes
        key = (delivery.endpoint_id, delivery.notification_id)

        async def work(session: Session, endpoint: WebhookEndpoint) -> None:
            row = await session.row("find_delivery", *key)
            old = None if row is None else _delivery_from(row)
            if row is None or old is None or old.state is not DeliveryState.PENDING:
                return
            new = change_delivery(old)
            await session.execute("change_delivery", *_delivery_row(new))
            if new.state is not DeliveryState.PENDING:
                await session.execute("open_lane", endpoint.id, row[_LANE], to_milliseconds(now))
            await _change(session, endpoint, change_endpoint(endpoint), by=by, now=now)

        await self._locked(environment, delivery.endpoint_id, work)

    async def deliveries(
        self, environment: Environment, endpoint_id: int, *, state: DeliveryState | None, before: int, limit: int
    ) -> list[WebhookDelivery]:
        """Return deliveries, the newest first."""
        asked = (endpoint_id, before, limit)

        async def work(session: Session) -> Sequence[Row]:
            await _found(session, "find_endpoint", environment, endpoint_id)
            if state is None:
                return await session.rows("list_deliveries", *asked)
            return await session.rows("list_deliveries_in_state", *asked, state.value)

        return [_delivery_from(row) for row in await self._transactions.read(work)]

    async def resend(
        self, environment: Environment, endpoint_id: int, notification_id: int, *, now: datetime
    ) -> WebhookDelivery:
        """Send a notification again."""

        async def work(session: Session, _endpoint: WebhookEndpoint) -> WebhookDelivery:
            row = await session.row("find_delivery", endpoint_id, notification_id)
            if row is None:
                raise WebhookNotFound(f"Webhook delivery not found: '{notification_id}'")
            old = _delivery_from(row)
            waits = old.state is DeliveryState.PENDING and old.next_at is None
            new = replace(old, state=DeliveryState.PENDING, tries=0, next_at=None if waits else now)
            await session.execute("change_delivery", *_delivery_row(new))
            return new

        return await self._locked(environment, endpoint_id, work)

    async def forget(self, *, before: datetime, limit: int) -> int:
        """Delete old deliveries."""
        until = to_milliseconds(before)

        async def has_old(session: Session) -> bool:
            return await session.value("has_old_deliveries", until) is not None

        if not await self._transactions.read(has_old):
            return 0
        return await self._transactions.write(lambda session: session.execute("delete_deliveries", until, limit))

    async def _secrets(self, session: Session, endpoint: WebhookEndpoint, now: datetime) -> list[bytes]:
        """Return the secrets that sign now, the newest first."""
        [[_, _, newest, previous]] = await session.rows("load_secrets_of_endpoint", endpoint.id)
        ends_at, about = endpoint.previous_secret_ends_at, _about(endpoint.environment, endpoint.id)
        kept = [newest] if ends_at is None or ends_at <= now else [newest, previous]
        return [self._seal.open(bytes(each), about=about) for each in kept if each]

    async def _locked(
        self,
        environment: Environment,
        endpoint_id: int,
        work: Callable[[Session, WebhookEndpoint], Coroutine[Any, Any, _Result]],
    ) -> _Result:
        """Run work in a transaction that holds the lock of an endpoint."""

        async def locked(session: Session) -> _Result:
            return await work(session, await _found(session, "lock_endpoint", environment, endpoint_id))

        return await self._transactions.write(locked)


async def seal_endpoints(session: Session, old: Seal, new: Seal) -> int:
    """Seal each secret that is not as ``new`` seals it; return how many.

    Raises:
        DatabaseRefused: ``old`` does not open one.
    """
    changed = 0
    for endpoint_id, environment, *kept in await session.rows("load_endpoint_secrets"):
        about, found = _about(Environment(environment), endpoint_id), [bytes(each) for each in kept if each]
        if not all(map(new.is_newest, found)):
            sealed = [new.close(old.open(each, about=about), about=about) for each in found]
            await session.execute("seal_endpoint", endpoint_id, *(*sealed, None)[:2])
            changed += len(found)
    return changed


async def lose_secrets(session: Session, seal: Seal, *, by: Actor, now: datetime) -> list[str]:
    """Disable endpoints with a secret that does not open, and give them one that nobody knows; return their ids."""
    lost = []
    for endpoint_id, name, *kept in await session.rows("load_endpoint_secrets"):
        environment = Environment(name)
        about = _about(environment, endpoint_id)
        if not all(seal.opens(bytes(each), about=about) for each in kept if each):
            endpoint = await _found(session, "lock_endpoint", environment, endpoint_id)
            unknown = seal.close(secrets.token_bytes(SECRET_BYTES), about=about)
            await session.execute("seal_endpoint", endpoint_id, unknown, None)
            await _change(session, endpoint, endpoint.disabled(_LOST, now=now), by=by, now=now)
            lost.append(str(endpoint_id))
    return lost


async def _found(session: Session, statement: str, environment: Environment, endpoint_id: int) -> WebhookEndpoint:
    row = await session.row(statement, environment.value, endpoint_id)
    if row is None:
        raise WebhookNotFound(f"Webhook endpoint not found: '{endpoint_id}'")
    return _endpoint_from(row)


async def _change(
    session: Session, old: WebhookEndpoint, new: WebhookEndpoint, *, by: Actor, now: datetime
) -> WebhookEndpoint:
    """Write an endpoint that has changed, and a line of the log unless only its failures are others."""
    if new != old:
        await session.execute("change_endpoint", *_endpoint_row(new))
    if _said(new) != _said(old):
        await session.execute("add_log_line", *_log_row(old, new, by=by, now=now))
    return new


def _about(environment: Environment, endpoint_id: int) -> str:
    """Return the name that the secrets of an endpoint are bound to, which messages use too."""
    return f"webhook secret {endpoint_id} of {environment.value}"


def _endpoint_from(row: Row) -> WebhookEndpoint:
    """Read a row of ``list_endpoints``."""
    return WebhookEndpoint(
        environment=Environment(row[0]),
        id=row[1],
        url=row[2],
        types=tuple(NotificationType(name) for name in json.loads(row[3])),
        created_at=from_milliseconds(row[4]),
        position=row[5],
        disabled_at=optional_moment(row[6]),
        disabled_because=row[7],
        failures=row[8],
        failing_since=optional_moment(row[9]),
        previous_secret_ends_at=optional_moment(row[10]),
    )


def _endpoint_row(endpoint: WebhookEndpoint) -> Row:
    """Write a row of ``change_endpoint``, and of ``add_endpoint`` without the secret."""
    return (
        endpoint.environment.value,
        endpoint.id,
        endpoint.url,
        to_json(endpoint.types),
        to_milliseconds(endpoint.created_at),
        endpoint.position,
        optional_milliseconds(endpoint.disabled_at),
        endpoint.disabled_because,
        endpoint.failures,
        optional_milliseconds(endpoint.failing_since),
    )


def _delivery_from(row: Row) -> WebhookDelivery:
    """Read a row of ``list_deliveries``, or one that begins with its columns."""
    return WebhookDelivery(
        endpoint_id=row[0],
        notification_id=row[1],
        type=NotificationType(row[2]),
        occurred_at=from_milliseconds(row[3]),
        state=DeliveryState(row[4]),
        tries=row[5],
        next_at=optional_moment(row[6]),
        attempts=tuple(
            Attempt(at=from_milliseconds(at), status=status, error=error, body=body)
            for at, status, error, body in json.loads(row[7])
        ),
    )


def _delivery_row(delivery: WebhookDelivery) -> Row:
    """Write a row of ``change_delivery``."""
    attempts = [(to_milliseconds(each.at), each.status, each.error, each.body) for each in delivery.attempts]
    return (
        delivery.endpoint_id,
        delivery.notification_id,
        delivery.state.value,
        delivery.tries,
        optional_milliseconds(delivery.next_at),
        to_json(attempts),
    )


def _said(endpoint: WebhookEndpoint | None) -> dict[str, object] | None:
    """Return what the log says of an endpoint."""
    if endpoint is None:
        return None
    return {
        "url": endpoint.url,
        "types": list(endpoint.types),
        "enabled": endpoint.is_enabled,
        "disabledBecause": endpoint.disabled_because,
    }


def _log_row(old: WebhookEndpoint | None, new: WebhookEndpoint | None, *, by: Actor, now: datetime) -> Row:
    """Write the line for an endpoint that was created, changed or deleted."""
    either = new or old
    assert either is not None
    subject, before, after = ("webhook endpoint", str(either.id)), _said(old), _said(new)
    return log_row(
        verb(before, after), subject, environment=either.environment, before=before, after=after, by=by, now=now
    )
