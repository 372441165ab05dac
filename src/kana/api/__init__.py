"""Kana's HTTP APIs: a folder for each, and beside them what they share."""

import sys

# structlog reads rich, where it is installed, for a console that is not used here: a third of a server's start.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # None means: not to be found
import structlog  # noqa: E402, F401

del sys.modules["rich"]
if _rich is not None:
    sys.modules["rich"] = _rich
