"""Features, users, prices, keys and environments: what they may be."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kana.errors import InvalidValue
from kana.model.environment import BUCKETS, Environment, bucket_of
from kana.model.key import (
    EnvironmentSettings,
    KeyKind,
    Keyring,
    describe_key,
    generate_app_id,
    generate_key,
    generate_signing_secret,
    hash_key,
)
from kana.model.package import PackagePrice
from kana.model.text import key_digest
from tests.support.world import LIVE, NOON, ONE_DAY, TEST, a_feature, a_package, a_user, allows, examples, holds


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: a_feature(""), "id must be 1 to 255 characters, got 0: ''"),
        (lambda: a_feature(name=""), "name must be 1 to 255 characters, got 0: ''"),
        (lambda: a_feature(metadata=float("nan")), "metadata must contain only finite numbers, got nan"),
        (lambda: a_feature(unit_label=""), "unitLabel must be 1 to 255 characters, got 0: ''"),
        (
            lambda: a_feature("chat", binary=True, unit_label="x"),
            "unitLabel is for CONSUMABLE features only, and 'chat' is BINARY",
        ),
        (
            lambda: a_feature("chat", binary=True, unit_label_plural="x"),
            "unitLabelPlural is for CONSUMABLE features only, and 'chat' is BINARY",
        ),
        (lambda: a_user(""), "id must be 1 to 255 characters, got 0: ''"),
        (lambda: a_user(billing_id=""), "billingId must be 1 to 255 characters, got 0: ''"),
        (lambda: a_user(name="\n"), "name must not contain control characters or lone surrogates, got '\\n'"),
        (lambda: a_user(email=""), "email must be 1 to 255 characters, got 0: ''"),
        (lambda: a_user(metadata=["\0"]), "metadata must not contain NUL or lone surrogates, got '\\x00'"),
    ],
)
def test_nouns_that_cannot_be(build: Callable[[], object], message: str) -> None:
    """The message names the field as on the wire."""
    with pytest.raises(InvalidValue) as raised:
        build()
    assert raised.value.message == message


def test_unit_labels_belong_to_consumables() -> None:
    """A counted feature may say what it counts, in one and in many."""
    feature = a_feature(unit_label="message", unit_label_plural="messages")
    assert (feature.unit_label, feature.unit_label_plural) == ("message", "messages")


@pytest.mark.parametrize(("amount", "shown"), [(0, "0.00"), (5, "0.05"), (1999, "19.99"), (100_000, "1000.00")])
def test_prices_show_two_decimals(amount: int, shown: str) -> None:
    """Minor units become a decimal without floats."""
    price = PackagePrice(id="p", provider="stripe", amount=amount, currency="usd", interval="month")
    assert price.display_amount == shown


@examples(200)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50), st.sampled_from(Environment))
def test_a_bucket_follows_from_environment_and_id_alone(user_id: str, environment: Environment) -> None:
    """It is the CRC-32 of both in 1024 parts: the same in every process and release."""
    bucket = bucket_of(environment, user_id)
    assert bucket == zlib.crc32((environment.value + "/" + user_id).encode()) & 0x3FF
    assert 0 <= bucket < BUCKETS


def test_buckets_are_fixed_for_ever() -> None:
    """These stand in databases: a change here would lose users."""
    assert [bucket_of(TEST, "ada"), bucket_of(LIVE, "ada"), bucket_of(LIVE, "名前")] == [819, 88, 591]
    assert len({bucket_of(LIVE, f"user-{number}") for number in range(20_000)}) == BUCKETS


@pytest.mark.parametrize("environment", Environment)
@pytest.mark.parametrize(("kind", "letters"), [(KeyKind.PRIVATE, "prv"), (KeyKind.PUBLIC, "pub")])
def test_keys_say_what_they_are(environment: Environment, kind: KeyKind, letters: str) -> None:
    """Kind and environment, 26 random letters and digits, and six that check the rest; only a hash is kept."""
    key = generate_key(environment, kind)
    assert re.fullmatch(rf"{letters}_{environment}_[0-9A-Za-z]{{32}}", key)
    assert key != generate_key(environment, kind)
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    number = 0
    for digit in key[-6:]:
        number = number * 62 + digits.index(digit)
    assert number == zlib.crc32(key[:-6].encode())
    kept = describe_key(key, environment=environment, kind=kind, name="first", now=NOON)
    assert kept.hash == hash_key(key) == sha256(key.encode()).digest()
    assert kept.masked == f"{key[:13]}…{key[-4:]}"
    assert (kept.environment, kept.kind, kept.name) == (environment, kind, "first")
    assert (kept.created_at, kept.revoked_at) == (NOON, None)
    assert key not in repr(kept)


def test_what_is_kept_of_an_idempotency_key_tells_nothing() -> None:
    """Sixteen bytes of its SHA-256."""
    assert key_digest("ada@example.com") == sha256(b"ada@example.com").digest()[:16]


def test_the_newest_live_secret_signs() -> None:
    """Of one environment, not revoked, the one made last; of two made at once always the same one."""
    old = generate_signing_secret(TEST, now=NOON)
    new, twin = (replace(generate_signing_secret(TEST, now=NOON + ONE_DAY), id=name) for name in "ab")
    revoked = replace(generate_signing_secret(TEST, now=NOON + 2 * ONE_DAY), revoked_at=NOON + 2 * ONE_DAY)
    other = generate_signing_secret(LIVE, now=NOON + 3 * ONE_DAY)
    assert len({secret.secret for secret in (old, new, revoked, other)}) == 4
    assert {len(secret.secret) for secret in (old, new, revoked, other)} == {32}
    ring = Keyring(workspace="w", environments={}, keys={}, signing_secrets=(revoked, twin, new, old, other))
    assert ring.signing_secret(TEST) is twin
    assert ring.signing_secret(LIVE) is other


@pytest.mark.parametrize("environment", Environment)
def test_app_ids_have_the_form_that_tokens_carry(environment: Environment) -> None:
    """The environment and eight lower-case letters; simple mode is allowed to begin with."""
    app_id = generate_app_id(environment)
    assert re.fullmatch(rf"{environment}_[a-z]{{8}}", app_id)
    settings = EnvironmentSettings(environment=environment, app_id=app_id)
    assert (settings.requires_secure_mode, settings.time_zone) == (False, "UTC")


def test_a_time_zone_is_an_iana_name() -> None:
    """Of a user and of an environment; a user may have none."""
    assert a_user(time_zone="Europe/Berlin").time_zone == "Europe/Berlin"
    assert a_user().time_zone is None
    for make in (
        lambda zone: a_user(time_zone=zone),
        lambda zone: EnvironmentSettings(environment=Environment.TEST, app_id="test_abcdefgh", time_zone=zone),
    ):
        for zone in ("", "Berlin", "europe/berlin\0", "../etc/passwd", "Europe"):
            with pytest.raises(
                InvalidValue, match=r"^timeZone must be an IANA name such as Europe/Berlin, got"
            ) as raised:
                make(zone)
            assert raised.value.field == "timeZone"


def test_a_package_knows_a_feature_as_it_holds_it() -> None:
    """None where it does not hold it."""
    package = a_package("p", allows(3), holds("chat"))
    assert package.feature("chat") == holds("chat")
    assert package.feature("other") is None
