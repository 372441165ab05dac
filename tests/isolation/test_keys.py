"""What a command changes of keys holds in a server that runs beside it, within a second."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import httpx
import jwt
import pytest

from tests.support.server import KanaServer

HEARD_S = 1.0
"""After so long every process has heard of a change."""

WHO = {"query": "{ currentUser { id } }"}
TOKEN = {"query": 'mutation { generateUserToken(userId: "ada") { token } }'}


@pytest.fixture(scope="module")
def server() -> Iterator[KanaServer]:
    """A server with a user, whose process is not the one that runs commands."""
    with KanaServer() as server:
        for key in (made["private_key"] for made in server.keys["environments"].values()):
            admin(server, key, {"query": 'mutation { createUser(input: {id: "ada"}) { id } }'})
        yield server


def admin(server: KanaServer, key: str, body: dict[str, str]) -> dict[str, object]:
    """What the Admin API answers."""
    answered: dict[str, object] = httpx.post(
        f"{server.address}/graphql", json=body, headers={"Authorization": key}
    ).json()
    return answered


def client(server: KanaServer, credential: str) -> str:
    """Whom the Client API takes the caller for; the message of its error where it lets nobody in."""
    headers = {"Authorization": credential, "X-User-ID": "ada"}
    body = httpx.post(f"{server.address}/client/graphql", json=WHO, headers=headers).json()
    return str(body["errors"][0]["message"] if "errors" in body else body["data"]["currentUser"]["id"])


def token(server: KanaServer, environment: str = "test") -> str:
    """A token of ada's."""
    body = admin(server, server.keys["environments"][environment]["private_key"], TOKEN)
    return str(body["data"]["generateUserToken"]["token"])  # type: ignore[index]


def run(server: KanaServer, *arguments: str) -> str:
    """Run a command in a process of its own, and wait until the server must have heard."""
    done = server.kana(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    time.sleep(HEARD_S)
    return done.stdout


@pytest.mark.parametrize("kind", ["private", "public"])
def test_a_key_works_from_its_creation_to_its_revocation(server: KanaServer, kind: str) -> None:
    """Another process makes it and takes it away; keys beside it stay as they are."""
    key = json.loads(run(server, "keys", "create", "--environment", "test", "--kind", kind, "--json"))["key"]

    def lets_in(key: str) -> bool:
        if kind == "public":
            return client(server, key) == "ada"
        return "errors" not in admin(server, key, {"query": "{ features { id } }"})

    assert lets_in(key)
    run(server, "keys", "revoke", key)

    assert not lets_in(key)
    assert lets_in(server.keys["environments"]["test"][f"{kind}_key"])


def test_secure_mode_is_required_and_no_longer(server: KanaServer) -> None:
    """The command says what it did, in words and for programs; a token comes in either way, and live is as before."""
    keys = server.keys["environments"]
    ours = token(server)
    assert client(server, keys["test"]["public_key"]) == "ada"

    words = run(server, "keys", "require-secure-mode", "test", "on")

    assert words == "The Client API of test now accepts user tokens only.\n"
    assert client(server, keys["test"]["public_key"]).startswith("Unauthenticated: this environment requires secure")
    assert (client(server, ours), client(server, keys["live"]["public_key"])) == ("ada", "ada")

    program = run(server, "keys", "require-secure-mode", "test", "off", "--json")

    assert json.loads(program) == {"environment": "test", "requires_secure_mode": False}
    assert client(server, keys["test"]["public_key"]) == "ada"


def test_tokens_are_signed_anew_and_those_that_are_out_stay(server: KanaServer) -> None:
    """A rotation changes the secret of one environment and closes nobody's page."""
    old, live = token(server), token(server, "live")

    made = json.loads(run(server, "keys", "rotate-tokens", "test", "--json"))
    new = token(server)

    def head(text: str) -> str:
        return text.split(".", maxsplit=1)[0]

    assert made["environment"] == "test"
    assert head(new) != head(old)
    assert head(token(server, "live")) == head(live)
    assert [client(server, each) for each in (old, new, live)] == ["ada"] * 3
    assert f"Secret {made['kid']}" not in run(server, "keys", "rotate-tokens", "test")


def test_tokens_of_a_revoked_secret_are_out_within_a_second(server: KanaServer) -> None:
    """Another process revokes an older secret: its tokens open nothing, all others do, and the newest one stays."""
    old, live = token(server), token(server, "live")
    kid = jwt.get_unverified_header(old)["kid"]
    newest = json.loads(run(server, "keys", "rotate-tokens", "test", "--json"))["kid"]
    new = token(server)
    assert client(server, old) == "ada"

    words = run(server, "keys", "revoke-secret", kid)

    assert words == f"Secret {kid} was revoked. User tokens of test signed with it stop working.\n"
    assert client(server, old).startswith("Unauthenticated")
    assert [client(server, each) for each in (new, live, token(server))] == ["ada"] * 3
    secrets = {each["kid"]: each["revoked"] for each in json.loads(run(server, "keys", "secrets", "--json"))}
    assert (secrets[kid] is None, secrets[newest]) == (False, None)
    refused = server.kana("keys", "revoke-secret", newest)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert client(server, new) == "ada"


@pytest.mark.parametrize(
    "arguments",
    [("require-secure-mode", "test"), ("require-secure-mode", "both", "on"), ("rotate-tokens", "staging")],
)
def test_a_slip_of_the_hand_changes_nothing(server: KanaServer, arguments: tuple[str, ...]) -> None:
    """What is misspelt ends with 2."""
    assert server.kana("keys", *arguments).returncode == 2
    assert client(server, server.keys["environments"]["test"]["public_key"]) == "ada"
