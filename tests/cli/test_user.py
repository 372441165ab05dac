"""`kana user`: an export that is one JSON object, and a deletion that asks for the id again, beside a server."""

from __future__ import annotations

import json

import httpx

from tests.support.server import KanaServer

CREATE = 'mutation { createUser(input: {id: "ada", name: "A. User"}) { id } }'


def ask(server: KanaServer, query: str) -> str:
    """Ask the Admin API."""
    headers = {"Authorization": server.private_key}
    return httpx.post(f"{server.address}/graphql", json={"query": query}, headers=headers).text


def test_a_user_is_exported_and_deleted_beside_a_server() -> None:
    """Each in one environment; without the id typed again nothing is deleted."""
    with KanaServer() as server:
        ask(server, CREATE)
        exported = json.loads(server.kana("user", "export", "ada", "--environment", "test").stdout)
        assert exported["userId"] == "ada"
        assert [(each["kind"], each["id"]) for each in exported["records"]] == [("user", "ada"), ("id", "ada")]
        missing = server.kana("user", "export", "ada", "--environment", "live")
        assert (missing.returncode, missing.stdout, missing.stderr) == (1, "", "Error: User not found: 'ada'\n")

        refused = server.kana("user", "delete", "ada", "--environment", "test", "--confirm", "Ada")
        assert (refused.returncode, refused.stderr) == (1, "Error: 'Ada' is not 'ada'; nothing was deleted.\n")
        assert "A. User" in ask(server, '{ user(id: "ada") { name } }')
        deleted = server.kana("user", "delete", "ada", "--environment", "test", "--confirm", "ada").stdout
        assert deleted.startswith("The user was deleted. The log calls them deleted-user:")
        assert "UserNotFoundError" in ask(server, '{ user(id: "ada") { name } }')
        assert "errors" not in ask(server, CREATE)
