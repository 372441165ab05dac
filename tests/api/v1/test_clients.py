"""Clients that two generators of others make of the description of ``/v1`` work with a real server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from kana.model.environment import Environment
from kana.model.key import KeyKind
from tests.support.breaking import WRITTEN
from tests.support.programs import NODE_FOLDER, node
from tests.support.serving import Served

PROGRAM = NODE_FOLDER / "v1.ts"
TOLD = "You have "
"""What the tool says before the number of warnings, if there are any."""

QUIET = {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}


def run(*command: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the environment of the tests."""
    beside = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [str(each) for each in command],
        env=os.environ | {"PATH": beside} | QUIET | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def by_node(package: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the program of a package of Node."""
    return run(node(), NODE_FOLDER / "node_modules" / package, *arguments)


def compiled(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Make the types of a client in a folder, and compile a program against them."""
    (folder / "node_modules").symlink_to(NODE_FOLDER / "node_modules")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "v1-program.ts").write_text(program)
    made = by_node("openapi-typescript/bin/cli.js", WRITTEN, "--output", folder / "v1.d.ts")
    assert made.returncode == 0, made.stderr
    (folder / "global.d.ts").write_text("declare const process: { env: Record<string, string> };")
    options = ("--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck", "--lib", "es2022,dom")
    files = (folder / "v1-program.ts", folder / "global.d.ts")
    return by_node("typescript/bin/tsc", *options, "--outDir", folder, *files)


def test_a_client_in_typescript(served: Served, tmp_path: Path) -> None:
    """It is compiled against the types, creates, subscribes, records, is refused, fails, and reads."""
    done = compiled(tmp_path, PROGRAM.read_text())
    assert (done.returncode, done.stdout) == (0, "")

    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    ran = run(node(), tmp_path / "v1-program.js", KANA_URL=served.url, KANA_KEY=key)

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "name": "Sam",
        "packageId": "basic",
        "access": True,
        "used": [4, 4],
        "duplicate": [False, True],
        "refused": "LIMIT_EXCEEDED",
        "wrong": [404, "BAD_USER_INPUT", "UserNotFoundError"],
        "settled": 1,
        "mine": [["message", 5], ["support", None]],
        "entries": 1,
    }


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('featureId: "message", delta: 100', 'feature: "message", delta: 100'),
        ("refused.data?.outcome", "refused.data?.result"),
    ],
)
def test_what_is_called_otherwise_does_not_compile(tmp_path: Path, right: str, wrong: str) -> None:
    """The control: the compiler knows every name."""
    program = PROGRAM.read_text()
    assert right in program
    assert compiled(tmp_path, program.replace(right, wrong)).returncode != 0


def test_a_client_in_python(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is generated without a warning, and does the same."""
    made = run(
        Path(sys.executable).parent / "openapi-python-client",
        *("generate", "--path", WRITTEN, "--meta", "none", "--output-path", tmp_path / "made_v1"),
    )
    assert (made.returncode, made.stdout.count("\n")) == (0, 1), made.stdout
    monkeypatch.syspath_prepend(tmp_path)

    def part(name: str) -> Any:
        return import_module(f"made_v1.{name}")

    def call(name: str, *ids: str, **given: Any) -> Any:
        return part(f"api.{name}").sync(*ids, client=client, **given)

    models = part("models")
    key = served.keys[Environment.TEST][KeyKind.PRIVATE]
    client = part("client").AuthenticatedClient(base_url=served.url, token=key)
    user_id = "eu/py 1"
    one = {"user_id": user_id, "feature_id": "message"}

    with client:
        created = call("users.create_user", body=models.CreateUserRequest(id=user_id, name="Sam"))
        started = call(
            "subscriptions.subscribe", body=models.SubscribeRequest(user_id=user_id, package_ids=["basic"])
        ).items[0]
        checked = call("check.can_use_feature", body=models.CanUseFeatureRequest(**one, delta=4))
        usage = models.RecordUsageRequest(**one, delta=4)
        first, again = (call("record.record_usage", body=usage, idempotency_key="py-1") for _ in range(2))
        refused = call("record.record_usage", body=models.RecordUsageRequest(**one, delta=100))
        wrong = call("record.record_usage", body=models.RecordUsageRequest(user_id="nobody", feature_id="message"))
        features = call("users.entitlements", user_id).features
        page = call("users.entries", user_id, first=1, outcome=models.Outcome.LIMIT_EXCEEDED)

    assert (created.id, created.name, created.email) == (user_id, "Sam", None)
    assert (started.package_id, started.status) == ("basic", models.SubscriptionStatus.ACTIVE)
    assert started.started_at == served.clock()
    assert (checked.access, checked.consumption.budget) == (True, 10)
    assert [(each.recorded, each.duplicate, each.consumption.used) for each in (first, again)] == [
        (True, False, 4),
        (True, True, 4),
    ]
    assert (refused.recorded, refused.outcome) == (False, models.Outcome.LIMIT_EXCEEDED)
    assert isinstance(wrong, models.Problem)
    assert (wrong.status, wrong.code, wrong.detail) == (404, "BAD_USER_INPUT", "User not found: 'nobody'")
    assert [(each.feature_id, each.access) for each in features] == [("message", True), ("support", True)]
    assert [each.id for each in page.items] == [refused.id]


def test_the_description_is_without_a_warning() -> None:
    """By the recommended rules of another tool; the control has an address without an answer."""
    done = by_node("@redocly/cli/bin/cli.js", "lint", WRITTEN)
    assert (done.returncode, TOLD in done.stderr) == (0, False), done.stderr


def test_what_is_wrong_with_a_description_is_told(tmp_path: Path) -> None:
    """The control of the one above."""
    broken = json.loads(WRITTEN.read_text())
    broken["paths"]["/v1/check"]["post"].pop("responses")
    (tmp_path / "openapi.json").write_text(json.dumps(broken))
    assert TOLD in by_node("@redocly/cli/bin/cli.js", "lint", tmp_path / "openapi.json").stderr
