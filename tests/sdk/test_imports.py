"""What importing the SDK costs and drags along."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

LIST = "import json, sys; before = set(sys.modules); import {}; print(json.dumps(sorted(set(sys.modules) - before)))"


def loaded(module: str) -> set[str]:
    """The top-level packages, and the modules of kana, that importing ``module`` loads."""
    done = subprocess.run(
        [sys.executable, "-c", LIST.format(module)], capture_output=True, text=True, check=True, timeout=60
    )
    names = json.loads(done.stdout)
    return {name if name.startswith("kana") else name.partition(".")[0] for name in names}


def test_the_sdk_loads_itself_the_errors_and_the_standard_library() -> None:
    """Neither the server nor httpx and asyncio, which take longer than all the rest, are loaded by importing it."""
    found = loaded("kana.sdk")
    foreign = {name for name in found if not name.startswith("kana") and name not in sys.stdlib_module_names}
    assert foreign == set()
    assert {name for name in found if name.startswith("kana") and not name.startswith("kana.sdk")} == {
        "kana",
        "kana.errors",
    }
    assert found & {"asyncio", "uuid", "ssl"} == set()


@pytest.mark.parametrize("framework", ["fastapi", "django", "flask"])
def test_a_gate_loads_its_own_framework_only(framework: str) -> None:
    """Who has installed one extra needs no other."""
    found = loaded(f"kana.sdk.{framework}")
    assert found & {"fastapi", "django", "flask"} == {framework}
    assert not any(name.startswith(("kana.api", "kana.store", "kana.engine", "kana.model")) for name in found)
