"""The GraphQL-over-HTTP specification, as others check it."""

from __future__ import annotations

import json
import subprocess
from collections import Counter

from tests.api.small import KEY, small_server
from tests.support.programs import NODE_FOLDER, node
from tests.support.server import KanaServer

BY_GET = {"5A70", "D6D5", "6A70"}
"""What a server MAY answer by GET. Kana publishes operations by POST only."""


def audit(url: str, authorization: str) -> dict[str, dict[str, str]]:
    """Every check of graphql-http's server audit by its id, run against ``url``."""
    command = [str(node()), "audit.mjs", url, authorization]
    run = subprocess.run(command, cwd=NODE_FOLDER, capture_output=True, text=True, check=True, timeout=120)
    return {result["id"]: result for result in map(json.loads, run.stdout.splitlines())}


def all_but_get(results: dict[str, dict[str, str]]) -> None:
    """Assert every MUST, every SHOULD, and every MAY that is not about queries by GET."""
    assert len(results) == 61
    failed = {key: result for key, result in results.items() if result["status"] != "ok"}
    assert set(failed) == BY_GET, failed
    assert all(result["name"].startswith("MAY") for result in failed.values())


def test_the_server_audit_of_graphql_http_passes() -> None:
    """Any schema of ours passes."""
    with small_server() as (_process, port):
        all_but_get(audit(f"http://127.0.0.1:{port}/graphql", f"Bearer {KEY}"))


def test_the_admin_api_passes_the_server_audit() -> None:
    """The Admin API of a whole server passes, with one of its private keys."""
    with KanaServer() as server:
        all_but_get(audit(f"{server.address}/graphql", server.private_key))


def test_the_audit_can_fail() -> None:
    """The control: with a key that opens nothing, many of the same checks fail."""
    with small_server() as (_process, port):
        results = audit(f"http://127.0.0.1:{port}/graphql", "prv_test_nobody")
    assert Counter(result["status"] for result in results.values())["ok"] < 45
