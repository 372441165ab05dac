"""All settings, in one table: the field ``port`` is the variable ``KANA_PORT``.

Nothing here reads the environment: the caller passes it to ``from_mapping``. docs/settings.md has
the same table, and a test compares the two.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast
from urllib.parse import urlsplit

from kana.errors import InvalidValue
from kana.model.text import counted, shown

PREFIX = "KANA_"
"""The prefix of every variable."""

_SECRET_KEY_LENGTH = 32

_T = TypeVar("_T")
Network: TypeAlias = IPv4Network | IPv6Network
_TOKEN_LENGTH = (16, 200)
_PASSWORD = re.compile(r"(?<=//)([^:/@]*:).*(?=@)|(?<=[?&])(password=)[^&]*")


@dataclass(frozen=True, slots=True)
class Rule:
    """How a setting is read from text, and a description of the values it may have.

    ``read`` raises ValueError for a value that is not allowed. No message shows the value of a secret.
    """

    read: Callable[[str], object]
    allowed: str
    is_secret: bool = False


def _within(kind: type[int] | type[float], low: int, high: int, unit: str) -> Rule:
    def read(text: str) -> object:
        value = kind(text)
        if not low <= value <= high:
            raise ValueError(text)
        return value

    noun = "a whole number" if kind is int else "a number"
    return Rule(read, f"{noun} from {low} to {high}{unit and f' {unit}'}")


def _whole(low: int, high: int, unit: str = "") -> Rule:
    return _within(int, low, high, unit)


def _number(low: int, high: int, unit: str = "") -> Rule:
    return _within(float, low, high, unit)


def _word(*words: str) -> Rule:
    return Rule(lambda text: words[words.index(text.lower())], ", ".join(words))


def _read_switch(text: str) -> bool:
    return {"true": True, "1": True, "false": False, "0": False}[text.lower()]


def _read_host(text: str) -> str:
    if not text or any(character.isspace() for character in text):
        raise ValueError(text)
    return text


def _read_database_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme == "sqlite" and not parts.netloc and _sqlite_file(text).strip("/"):
        return text
    if parts.scheme in ("postgresql", "postgres") and (parts.netloc or parts.query):
        return text
    raise ValueError(text)


def _sqlite_file(url: str) -> str:
    return url.removeprefix("sqlite:///")


def site_origin(address: str) -> str:
    """Return what browsers send as Origin for pages of an address: in lower case, without a default port.

    Raises:
        ValueError: it is not an address.
    """
    parts = urlsplit(address)
    host, port = parts.hostname or "", parts.port
    host = f"[{host}]" if ":" in host else host
    is_default = port in (None, {"http": 80, "https": 443}.get(parts.scheme))
    return f"{parts.scheme}://{host}" if is_default else f"{parts.scheme}://{host}:{port}"


def _read_site(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    is_host_alone = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in parts.netloc)
    if not (parts.scheme in ("http", "https") and parts.hostname and is_host_alone and _is_plain(text)):
        raise ValueError(text)
    return site_origin(text)


def _is_plain(text: str) -> bool:
    """Whether an address is written as browsers send it."""
    return text.isascii() and text.isprintable() and " " not in text


def _read_networks(text: str) -> str:
    return ", ".join(map(str, _networks(text)))


def _networks(text: str) -> tuple[Network, ...]:
    networks = tuple(ip_network(item, strict=False) for item in text.replace(",", " ").split())
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError(text)  # Every address would be trusted.
    return networks


def _read_issuer(text: str) -> str:
    parts = urlsplit(text)
    is_bare = not (parts.query or parts.fragment or "@" in parts.netloc)
    if text and not (parts.scheme in ("http", "https") and parts.hostname and is_bare and _is_plain(text)):
        raise ValueError(text)
    return text.rstrip("/")


def _read_secret_keys(text: str) -> str:
    _secret_keys(text)
    return text


def _secret_keys(text: str) -> tuple[bytes, ...]:
    """Return the keys, the newest first; raise ValueError if one is not a key."""
    keys = tuple(
        base64.b64decode(key.strip().replace("-", "+").replace("_", "/"), validate=True)
        for key in (text.split(",") if text else ())
    )
    if any(len(key) != _SECRET_KEY_LENGTH for key in keys):
        raise ValueError(text)
    return keys


def _read_token(text: str) -> str:
    if text and not (_TOKEN_LENGTH[0] <= len(text) <= _TOKEN_LENGTH[1] and _is_plain(text)):
        raise ValueError(text)
    return text


_SWITCH = Rule(_read_switch, "true or false")
_SITE = Rule(_read_site, "http:// or https:// and a host in ASCII, without a user or a path")
_NETWORKS = Rule(_read_networks, "IP addresses and networks separated by commas, such as `10.0.0.0/8, ::1`")
_ISSUER = Rule(_read_issuer, "an http:// or https:// address without a user or a query")
_TOKEN = Rule(_read_token, "16 to 200 ASCII letters, digits or signs without spaces", is_secret=True)
_TEXT = Rule(str, "text")
_SECRET_TEXT = Rule(str, "text", is_secret=True)
_SECRET_KEYS = Rule(
    _read_secret_keys,
    "32 random bytes in base64 (`openssl rand -base64 32`); several separated by commas, the newest first",
    is_secret=True,
)
_HOST = Rule(_read_host, "a host name or an IP address")
_DATABASE_URL = Rule(
    _read_database_url,
    "sqlite:///FILE (sqlite:////FILE from the root) or postgresql://USER:PASSWORD@HOST:PORT/NAME",
)


def _setting(default: _T, rule: Rule, meaning: str) -> _T:
    """Describe one field: its default, the values it may have, and what it does."""
    metadata = {"rule": rule, "meaning": meaning}
    described: _T = field(default=default, metadata=metadata, repr=not rule.is_secret)
    return described


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a process of Kana. Each field has its default, its unit and bounds, and what it does.

    Raises:
        InvalidValue: a value is not allowed; the message names the variable, the value and what is allowed.
    """

    database_url: str = _setting(
        "sqlite:///kana.db",
        _DATABASE_URL,
        "Where all data is stored. A relative file is created in the current folder.",
    )
    host: str = _setting("127.0.0.1", _HOST, "The address to listen on; `0.0.0.0` for all addresses of the machine.")
    port: int = _setting(8080, _whole(0, 65_535), "The port to listen on; 0 picks a free one and prints it.")
    workers: int = _setting(
        1,
        _whole(1, 64, "processes"),
        "How many processes serve. More than one needs PostgreSQL: a SQLite file has one writer.",
    )
    log_level: str = _setting("info", _word("debug", "info", "warning", "error"), "The lowest level that is logged.")
    log_requests: bool = _setting(default=False, rule=_SWITCH, meaning="Whether every request is logged.")
    head_s: float = _setting(
        10.0,
        _number(1, 600, "seconds"),
        "Longest time from the first byte of a request to the end of its headers; then 408.",
    )
    body_s: float = _setting(
        30.0,
        _number(1, 600, "seconds"),
        "Longest time from the end of a request's headers to the end of its body; then 408.",
    )
    idle_s: float = _setting(
        60.0, _number(1, 3600, "seconds"), "How long a connection may wait for its next request before it is closed."
    )
    write_s: float = _setting(
        20.0,
        _number(1, 600, "seconds"),
        "How long an answer may wait for its client to read 64 KB more of it before the connection is closed.",
    )
    drain_s: int = _setting(
        10, _whole(1, 600, "seconds"), "How long running requests may take to finish after SIGTERM."
    )
    connections_max: int = _setting(
        4096,
        _whole(1, 1_000_000, "connections"),
        "Most connections at the same time; the next is answered 503 with Retry-After.",
    )
    requests_max: int = _setting(
        2048,
        _whole(1, 1_000_000, "requests"),
        "Most requests served at the same time; the next is answered 503 with Retry-After.",
    )

    metrics_token: str = _setting(
        "",
        _TOKEN,
        "What Prometheus sends as `Authorization: Bearer …` to read `/metrics` from another machine."
        " Empty: only this machine can read them.",
    )
    public_url: str = _setting(
        "",
        _SITE,
        "The address under which people open the dashboard, for example behind a proxy: `https://kana.example`."
        " Empty: the request's own host.",
    )
    trusted_proxies: str = _setting(
        "",
        _NETWORKS,
        "The proxies whose `X-Forwarded-For`, `X-Forwarded-Proto` or `Forwarded` is trusted to say which address a"
        " failed sign-in or a wrong key counts against, and whether the request used https. Empty: none; the"
        " address that connects is used.",
    )
    oidc_issuer: str = _setting(
        "", _ISSUER, "The OpenID Connect provider that colleagues may sign in to the dashboard with. Empty: none."
    )
    oidc_client_id: str = _setting("", _TEXT, "The client id of this server at that provider.")
    oidc_client_secret: str = _setting("", _SECRET_TEXT, "The client secret of this server at that provider.")
    secret_key: str = _setting(
        "",
        _SECRET_KEYS,
        "Seals the secrets in the database; older keys open what they sealed. Empty: nothing is sealed.",
    )
    webhooks_allow_private: bool = _setting(
        default=False,
        rule=_SWITCH,
        meaning="Whether webhooks may be sent to private addresses, and by http. For development: whoever may create a"
        " webhook can then make this server send requests to what only it can reach.",
    )

    def __post_init__(self) -> None:
        for each in fields(self):
            _read(each, str(getattr(self, each.name)))
        if self.workers > 1 and self.sqlite_path is not None:
            raise InvalidValue(
                f"KANA_WORKERS must be 1 on SQLite, whose file has one writer, got {self.workers};"
                " for more processes use PostgreSQL in KANA_DATABASE_URL",
                field="workers",
            )

    @classmethod
    def from_mapping(cls, variables: Mapping[str, str], **flags: str | int | None) -> Settings:
        """Return the settings of an environment; a flag takes precedence over its variable.

        A variable that is set but empty counts as not set.

        Raises:
            InvalidValue: a value is not allowed.
        """
        known = {each.name: each for each in fields(cls)}
        given = {name: text for name in known if (text := variables.get(variable(name), ""))}
        given |= {name: str(value) for name, value in flags.items() if value is not None}
        return cls(**{name: cast(Any, _read(known[name], text)) for name, text in given.items()})

    @property
    def sqlite_path(self) -> Path | None:
        """The database file; None if the database is not SQLite."""
        return Path(_sqlite_file(self.database_url)) if self.database_url.startswith("sqlite:") else None

    @property
    def database_place(self) -> str:
        """A name for this database that is the same however its file is written; may contain secrets."""
        return self.database_url if self.sqlite_path is None else str(self.sqlite_path.resolve())

    @property
    def proxies(self) -> tuple[Network, ...]:
        """The networks of ``trusted_proxies``."""
        return _networks(self.trusted_proxies)

    @property
    def secret_keys(self) -> tuple[bytes, ...]:
        """The keys that secrets are sealed with, the newest first; empty if they are not sealed."""
        return _secret_keys(self.secret_key)

    @property
    def database(self) -> str:
        """The database URL for messages, without its password."""
        return _without_password(self.database_url)


def variable(name: str) -> str:
    """Return the name of a field's environment variable."""
    return PREFIX + name.upper()


def rule_of(each: Field[Any]) -> Rule:
    """Return the rule for a field of Settings."""
    return cast(Rule, each.metadata["rule"])


def _read(each: Field[Any], text: str) -> object:
    rule = rule_of(each)
    try:
        return rule.read(text)
    except (ValueError, KeyError):
        got = counted(len(text), "character") if rule.is_secret else shown(_without_password(text))
        message = f"{variable(each.name)} must be {rule.allowed}, got {got}"
        raise InvalidValue(message, field=each.name) from None


def _without_password(text: str) -> str:
    return _PASSWORD.sub(lambda match: f"{match[1] or match[2]}***", text)
