"""The resolvers of subscriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from ariadne import MutationType, QueryType

from kana.api.admin.context import AdminContext, Info
from kana.api.admin.inputs import given_id, given_ids
from kana.engine.ports.users import Subscribed
from kana.engine.turns import in_turns
from kana.engine.users.accounts import parse_subscription_id
from kana.errors import InvalidValue, SubscriptionLinkRefused
from kana.model.package import Package
from kana.model.subscription import SubscriptionStatus
from kana.model.terms import AnchorKind, ChangeTime, ChangeUsage, Terms, anchor_of
from kana.model.text import shown

query = QueryType()
mutation = MutationType()

_URL_LENGTH_MAX = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSubscription:
    """A subscription as the API returns it, with the id of its user and its package."""

    id: str
    user_id: str
    status: SubscriptionStatus
    package: Package
    started_at: datetime
    ends_at: datetime | None
    trial_ends_at: datetime | None
    anchor_at: datetime | None
    time_zone: str | None


def view_of(subscribed: Subscribed, package: Package) -> PackageSubscription:
    """Return a subscription to a package as the API returns it."""
    user_id, subscription = subscribed
    return PackageSubscription(
        id=str(subscription.id),
        user_id=user_id,
        status=subscription.status,
        package=package,
        started_at=subscription.start,
        ends_at=subscription.ends_at,
        trial_ends_at=subscription.trial_ends_at,
        anchor_at=subscription.anchored_at,
        time_zone=subscription.time_zone,
    )


@query.field("subscription")
async def subscription(_root: object, info: Info, *, id: str) -> PackageSubscription:  # noqa: A002 - Kana's word
    """Return one subscription by its id."""
    context = info.context
    held = await context.engine.accounts.subscription(context.environment, parse_subscription_id(id))
    return await _shown_one(context, held)


@query.field("subscriptions")
async def subscriptions(
    _root: object, info: Info, *, user_id: str | None = None, first: int | None = None, after: str | None = None
) -> list[PackageSubscription]:
    """Return subscriptions of any status, the oldest first."""
    context = info.context
    held = await context.engine.accounts.subscriptions(
        context.environment,
        user_id=None if user_id is None else given_id(user_id, field="userId"),
        first=first,
        after=None if after is None else parse_subscription_id(after),
    )
    return await _shown(context, held)


@mutation.field("subscribe")
async def subscribe(
    _root: object,
    info: Info,
    *,
    package_ids: list[str],
    user_id: str,
    starts_at: datetime | None = None,
    anchor_at: datetime | None = None,
    anchor: AnchorKind | None = None,
    time_zone: str | None = None,
    ends_with_trial: bool | None = None,
    **trial: datetime | None,
) -> list[PackageSubscription]:
    """Subscribe a user to packages, all or nothing. `trial` has the end of a trial, if that is given."""
    context = info.context
    terms = Terms(
        starts_at=starts_at,
        anchor=anchor_of(anchor, anchor_at=anchor_at, time_zone=time_zone),
        trial_ends_at=trial.get("trial_ends_at"),
        without_trial=trial == {"trial_ends_at": None},
        ends_with_trial=bool(ends_with_trial),
    )
    held = await context.engine.accounts.subscribe(
        context.environment, given_id(user_id, field="userId"), given_ids(package_ids, field="packageIds"), terms=terms
    )
    return await _shown(context, held)


@mutation.field("changeSubscription")
async def change_subscription(
    _root: object,
    info: Info,
    *,
    user_id: str,
    package_id: str,
    when: ChangeTime | None = None,
    usage: ChangeUsage | None = None,
) -> PackageSubscription:
    """Move a user from one base package to another."""
    context = info.context
    held = await context.engine.accounts.change_subscription(
        context.environment,
        given_id(user_id, field="userId"),
        given_id(package_id, field="packageId"),
        when=when or ChangeTime.NOW,
        usage=usage or ChangeUsage.RESET,
    )
    return await _shown_one(context, held)


@mutation.field("resumeSubscription")
async def resume_subscription(_root: object, info: Info, *, id: str) -> PackageSubscription:  # noqa: A002 - Kana's word
    """Take back an end that is still to come."""
    context = info.context
    held = await context.engine.accounts.resume_subscription(context.environment, parse_subscription_id(id))
    return await _shown_one(context, held)


@mutation.field("cancelSubscription")
async def cancel_subscription(
    _root: object,
    info: Info,
    *,
    id: str,  # noqa: A002 - Kana's word
    at_period_end: bool | None = None,
) -> PackageSubscription:
    """Cancel a subscription, now or at the end of its period."""
    context = info.context
    held = await context.engine.accounts.cancel_subscription(
        context.environment, parse_subscription_id(id), at_period_end=bool(at_period_end)
    )
    return await _shown_one(context, held)


@mutation.field("generateSubscriptionLink")
async def generate_subscription_link(
    _root: object, info: Info, *, template_id: str, success_url: str, cancel_url: str, user_id: str | None = None
) -> None:
    """Check the arguments, and refuse because no billing provider is connected."""
    context = info.context
    given_id(template_id, field="templateId")
    _check_url(success_url, field="successUrl")
    _check_url(cancel_url, field="cancelUrl")
    if user_id is not None:
        await context.engine.accounts.user(context.environment, given_id(user_id, field="userId"))
    raise SubscriptionLinkRefused("no billing provider is connected")


async def _shown(context: AdminContext, held: Sequence[Subscribed]) -> list[PackageSubscription]:
    catalog = await context.read_catalog(holding={subscribed.subscription.package_id for subscribed in held})

    return await in_turns(held, lambda each: view_of(each, catalog.package(each.subscription.package_id)))


async def _shown_one(context: AdminContext, held: Subscribed) -> PackageSubscription:
    [shown_one] = await _shown(context, [held])
    return shown_one


def _check_url(url: str, *, field: str) -> None:
    """Refuse a URL to which a checkout must not send users."""
    if not _is_web_address(url):
        raise InvalidValue(
            f"{field} must be an http or https URL without a user name or password,"
            f" at most {_URL_LENGTH_MAX} characters, got {shown(url)}",
            field=field,
        )


def _is_web_address(url: str) -> bool:
    if len(url) > _URL_LENGTH_MAX or not url.isprintable() or " " in url or "\\" in url:
        return False
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - reading it refuses a port that is not valid
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc
