"""A print shop behind Flask: pages are counted, previews are in some plans only.

Run it with ``flask --app with_flask run``, and KANA_API_KEY and KANA_ENDPOINT in the environment.
"""

from __future__ import annotations

import os

from flask import Flask, Request, abort

from kana.sdk import KanaAdmin
from kana.sdk.flask import gate

REPORTS = {"sales": "Sales were up.", "costs": "Costs were down."}

kana = KanaAdmin(api_key=os.environ["KANA_API_KEY"], endpoint=os.environ["KANA_ENDPOINT"])
app = Flask(__name__)


def signed_in(request: Request) -> str:
    """Say who asks. In a real program this is the session's user."""
    return request.headers["X-User-Id"]


def copies(request: Request) -> str:
    """Say how much they are about to use."""
    return request.args.get("copies", "1")


@app.post("/reports/<name>/print")
@gate(kana, "pages", user=signed_in, amount=copies)
def print_report(name: str) -> dict[str, str]:
    """Print a report: one page for each copy, counted when it worked."""
    if name not in REPORTS:
        abort(404)
    return {"printed": REPORTS[name]}


@app.get("/reports/<name>/preview")
@gate(kana, "preview", user=signed_in)
def preview_report(name: str) -> tuple[dict[str, str], int]:
    """Show the beginning of a report."""
    if name not in REPORTS:
        return {"error": "no such report"}, 404
    return {"preview": REPORTS[name][:5]}, 200
