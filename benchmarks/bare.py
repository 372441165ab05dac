"""The disk by itself: `python -m benchmarks.bare FOLDER SECONDS` writes 8 KB and waits for them, 20 times a second.

A process of its own, so that it waits for the disk and for nobody else. It prints the milliseconds of each.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

PIECE = 8192
PIECES = 512
PAUSE_S = 0.05


def main(folder: str, seconds: float) -> None:
    """Measure, and print a list."""
    path = Path(folder) / "bare"
    path.write_bytes(bytes(PIECE * PIECES))
    taken = []
    with path.open("r+b") as file:
        os.fsync(file.fileno())
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            begun = time.perf_counter()
            os.pwrite(file.fileno(), os.urandom(PIECE), len(taken) % PIECES * PIECE)
            os.fdatasync(file.fileno())
            taken.append((time.perf_counter() - begun) * 1000)
            time.sleep(PAUSE_S)
    path.unlink()
    print(json.dumps(taken))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
