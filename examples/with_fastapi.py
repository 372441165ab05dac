"""A print shop behind FastAPI: pages are counted, previews are in some plans only.

Run it with ``uvicorn with_fastapi:app`` and the private key of the test environment in KANA_KEY; see README.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException
from print_shop import ENDPOINT, KEY, REPORTS, set_up

from kana.sdk import AsyncKanaAdmin
from kana.sdk.fastapi import gate

kana = AsyncKanaAdmin(api_key=KEY, endpoint=ENDPOINT)


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Close Kana's connections when the program ends."""
    async with kana:
        yield


set_up()
app = FastAPI(lifespan=lifespan)


def signed_in(x_user_id: Annotated[str | None, Header()] = None) -> str | None:
    """Say who asks, None for nobody. In a real program this is the session's user."""
    return x_user_id


def copies(copies: int = 1) -> int:
    """Say how much they are about to use."""
    return copies


@app.post("/reports/{name}/print")
@gate(kana, "pages", user=signed_in, amount=copies)
async def print_report(name: str) -> dict[str, str]:
    """Print a report: one page for each copy, counted when it worked."""
    if name not in REPORTS:
        raise HTTPException(404, "no such report")
    return {"printed": REPORTS[name]}


@app.get("/reports/{name}/preview")
@gate(kana, "preview", user=signed_in)
def preview_report(name: str) -> dict[str, str]:
    """Show the beginning of a report."""
    if name not in REPORTS:
        raise HTTPException(404, "no such report")
    return {"preview": REPORTS[name][:5]}
