"""Every line of examples.jsonl: what Kana's command line was seen to do, done by ours and against our server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from kana.cli.configuration.reader import read_yaml
from kana.model.config import read_config
from tests.cli.conftest import Kana
from tests.support.forge import Forge
from tests.support.server import KanaServer

LINES = Path(__file__).with_name("examples.jsonl").read_text(encoding="utf-8").splitlines()
EXAMPLES: dict[str, Any] = {example["id"]: example for example in map(json.loads, LINES)}
RUN = {"cli-pull", "cli-validate", "cli-publish", "cli-bootstrap", "cli-no-key", "cli-docs-yaml"}
"""The lines that a test of this file runs; a line is either here or in LEFT_OUT, with the reason."""
LEFT_OUT: dict[str, str] = {}


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    with Forge() as forge:
        yield forge


@pytest.fixture
def server(forge: Forge) -> Iterator[KanaServer]:
    with KanaServer(forge=forge) as server:
        yield server


def ask(server: KanaServer, example: dict[str, Any], body: Any) -> httpx.Response:
    """Send the example's request, headers as captured, with a key that exists."""
    request = example["request"]
    path = request["url"].removeprefix("https://api.usekana.com")
    headers = request["headers"] | {"Authorization": server.private_key}
    content = json.dumps(body).encode() if body else b""
    return httpx.request(request["method"], server.address + path, headers=headers, content=content, trust_env=False)


def without(value: Any, *names: str) -> Any:
    """A configuration without what is ours or says nothing."""
    if isinstance(value, list):
        return [without(item, *names) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        key: without(item, *names)
        for key, item in value.items()
        if key not in names and (key, item) != ("overage_enabled", False)
    }


def stubbed(example: dict[str, Any]) -> dict[str, Any]:
    """The state that an example was captured on, as something to publish: names every feature's limit."""
    found: dict[str, Any] = example["stub_response"]["body"]
    return found


def test_every_line_is_run_or_left_out_for_a_reason() -> None:
    """A new line fails here until someone decides."""
    assert set(EXAMPLES) == RUN | set(LEFT_OUT)
    assert not RUN & set(LEFT_OUT)


def test_pull(server: KanaServer, kana: Kana, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of the example is pulled as its KanaConfig, and ours writes the file that Kana's wrote, and add-ons."""
    example = EXAMPLES["cli-pull"]
    state = stubbed(example)
    assert ask(server, EXAMPLES["cli-publish"], state).status_code == 200

    answer = ask(server, example, None)
    monkeypatch.setenv("KANA_DEV_URL", f"{server.address}/cli")
    monkeypatch.setenv("KANA_DEV_KEY", server.private_key)
    result = kana("pull")

    assert answer.status_code == 200
    pulled = answer.json()
    assert by_id(without(pulled["features"])) == by_id(without(state["features"]))
    binary_without_limit = without(state["packages"])
    del binary_without_limit["draft"][0]["features"][1]["limit"]
    assert without(pulled["packages"]) == binary_without_limit
    assert without(pulled["addons"]) == without(state["addons"])
    said = [line.removeprefix("i ").removeprefix("✔ ") for line in result.stdout.splitlines()]
    loaded, pulling, synced = example["observed"]["stdout"]
    assert said[-4:] == [loaded, pulling, "", synced.replace("./kana.yaml", "./kana/kana.dev.yaml")]
    written = read_yaml(Path("kana/kana.dev.yaml").read_bytes()).value
    observed = read_yaml(example["observed"]["file ./kana/kana.dev.yaml"].encode()).value
    assert by_id(written.pop("features")) == by_id(observed.pop("features"))
    assert set(written) - set(observed) == {"revision", "addons"}
    assert {name: written[name] for name in observed} == observed


def by_id(features: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Features of one publish have one time of creation, and then stand in the order of their ids."""
    return sorted(features, key=lambda feature: str(feature["id"]))


def test_validate(server: KanaServer) -> None:
    """The body as captured, without app and add-ons; the answer is a list of lines, empty once it is published."""
    example = EXAMPLES["cli-validate"]
    body = example["request"]["body"]

    first = ask(server, example, body)
    published = ask(server, EXAMPLES["cli-publish"], body)
    second = ask(server, example, body)

    assert (first.status_code, published.status_code, second.status_code) == (200, 200, 200)
    assert first.json()["data"] == [
        "Feature 'messages' is created as BINARY.",
        "Feature 'api-calls' is created as CONSUMABLE.",
        "Package 'pro' is created as a draft: 'api-calls' 50 per month, 'messages'.",
        "Package 'free' is created and published: 'api-calls' unlimited with overage.",
    ]
    assert second.json()["data"] == []


def test_publish(server: KanaServer) -> None:
    """A body without add-ons leaves them alone: the answer is the new state, with those that were there."""
    example = EXAMPLES["cli-publish"]
    state = stubbed(example)
    ask(server, example, state)

    answer = ask(server, example, example["request"]["body"])

    assert answer.status_code == 200
    assert set(answer.json()) == {*state, "revision"}
    assert without(answer.json()["addons"]) == without(state["addons"])
    assert without(answer.json()["packages"]) == without(example["request"]["body"]["packages"])


def test_bootstrap(kana: Kana) -> None:
    """Kana's words and Kana's file to the letter, but for the date and the path, which Kana's named wrongly."""
    example = EXAMPLES["cli-bootstrap"]["observed"]
    result = kana("bootstrap")

    said = [line.removeprefix("i ").removeprefix("✔ ") for line in result.stdout.splitlines() if line]
    begun, done, then = example["stdout"]
    assert said[-3:] == [
        begun,
        done.replace("./kana.example.yaml", "./kana/kana.example.yaml"),
        then.replace("create kana.yaml", "create kana.dev.yaml"),
    ]
    written = Path("kana/kana.example.yaml").read_text().splitlines()
    observed = example["file ./kana/kana.example.yaml"].splitlines()
    assert len(written) == len(observed)
    differing = [(ours, theirs) for ours, theirs in zip(written, observed, strict=True) if ours != theirs]
    assert [theirs for _, theirs in differing] == ["# Updated: <JS Date string>"]


def test_no_key(kana: Kana) -> None:
    """Kana's words; ours says them on standard error and exits 1, where Kana's exited 0."""
    [words] = EXAMPLES["cli-no-key"]["observed"]["stdout"]
    result = kana("pull")
    assert (result.stderr, result.exit_code) == (f"✖ {words}\n", 1)


def test_the_documented_file(server: KanaServer, kana: Kana, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read as its source parses it; refused locally for its package without features, as Kana's refused it."""
    example = EXAMPLES["cli-docs-yaml"]
    document = read_yaml(example["yaml"].encode())
    assert document.value == example["parsed"]
    assert len(read_config(document.value).packages) == 7
    Path("kana").mkdir()
    Path("kana/kana.dev.yaml").write_text(example["yaml"])
    monkeypatch.setenv("KANA_DEV_URL", f"{server.address}/cli")
    monkeypatch.setenv("KANA_DEV_KEY", server.private_key)

    result = kana("validate")

    assert result.exit_code == 1
    assert result.stderr == "✖ [ERROR]: line 34, column 7: all packages must link to at least one feature!\n"
    assert ask(server, EXAMPLES["cli-publish"], document.value).status_code == 200
    assert ask(server, EXAMPLES["cli-validate"], document.value).json()["data"] == []
