"""Kana's own command line, as far as it can be had: what it sends from Node.js, and how it takes the answers."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

from tests.support.programs import NODE_FOLDER, node
from tests.support.server import KanaServer

FILE: dict[str, Any] = {
    "version": "1.0.0",
    "features": [{"id": "message", "name": "Messages", "type": "CONSUMABLE"}],
    "packages": {
        "draft": [],
        "published": [{"id": "free", "name": "Free", "features": [{"id": "message", "limit": 5}]}],
    },
}


def original(server: KanaServer, file: Any, *, key: str) -> list[Any]:
    """The answers to validate, publish, pull and validate again."""
    answered = subprocess.run(
        [node(), "cli.mjs"],
        cwd=NODE_FOLDER,
        env=os.environ | {"KANA_DEV_URL": f"{server.address}/cli", "KANA_DEV_KEY": key},
        input=json.dumps(file),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in answered.stdout.splitlines()]


def test_it_validates_publishes_and_pulls() -> None:
    """A file without add-ons is published and then up to date; what cannot be is an error, and a reason phrase."""
    with KanaServer() as server:
        key = server.private_key
        first, published, pulled, second = original(server, FILE, key=key)
        wrong = FILE | {"features": [{"id": "message", "name": "Messages", "type": "BINARY"}]}
        refused, not_published, unchanged, _ = original(server, wrong, key=key)
        misspelt = original(server, FILE | {"feature": []}, key=key)
        stranger = original(server, FILE, key="prv_test_stranger")

    assert (first["errors"], first["warnings"], first["upToDate"]) == ([], [], False)
    assert published == pulled
    assert published["features"] == FILE["features"]
    assert second == {"errors": [], "warnings": [], "upToDate": True}
    assert len(refused["errors"]) == 1
    assert not_published == {"error": "Bad Request"}
    assert unchanged == pulled
    assert misspelt[0]["errors"] == ["[ERROR] feature is not a known field; did you mean features?"]
    assert stranger[1:3] == [{"error": "Unauthorized"}] * 2
    assert stranger[0]["errors"] == ["[ERROR] Unauthenticated: a valid key is needed in the Authorization header."]
