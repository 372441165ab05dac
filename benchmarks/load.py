"""wrk as the load generator: one thread, so many connections, one kind of request."""

from __future__ import annotations

import os
import re
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_name("load.lua")
_RATE = re.compile(r"^Requests/sec:\s+([\d.]+)", re.MULTILINE)
_FAILED = re.compile(r"(Non-2xx|Socket errors).*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where requests go: an address, the path under it, and the key they carry."""

    address: str
    key: str = ""
    path: str = "/graphql"


def requests_per_second(
    target: Target, mode: str, *, connections: int, users: int, seconds: float = 2, prefix: str = "u"
) -> float:
    """Return how many requests of a kind were answered in a second, for users ``prefix`` 0 to ``users``.

    Raises:
        RuntimeError: one was answered with anything but success.
    """
    variables = {
        **os.environ,
        "MODE": mode,
        "USERS": str(users),
        "PREFIX": prefix,
        "KEY": target.key,
        "TARGET": target.path,
        "RUN": uuid.uuid4().hex[:12],
    }
    arguments = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds:g}s",
        "--timeout",
        "10s",
        "-s",
        str(_SCRIPT),
        target.address,
    ]
    done = subprocess.run(arguments, env=variables, capture_output=True, text=True, check=False)
    found = _RATE.search(done.stdout)
    if done.returncode or found is None or _FAILED.search(done.stdout) or "unexpected answer" in done.stderr:
        raise RuntimeError(f"wrk {mode} on {target.address}: {done.stdout[-500:]} {done.stderr[-500:]}")
    rate = float(found[1])
    if not rate:
        raise RuntimeError(f"wrk {mode} on {target.address}: nothing was answered: {done.stderr[-500:]}")
    return rate
