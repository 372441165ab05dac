"""A print shop behind Flask: pages are counted, previews are in some plans only.

Run it with ``flask --app with_flask run`` and the private key of the test environment in KANA_KEY; see README.md.
"""

from __future__ import annotations

from flask import Flask, Request, abort
from print_shop import ENDPOINT, KEY, REPORTS, set_up

from kana.sdk import KanaAdmin
from kana.sdk.flask import gate

kana = KanaAdmin(api_key=KEY, endpoint=ENDPOINT)
app = Flask(__name__)
set_up()


def signed_in(request: Request) -> str | None:
    """Say who asks, None for nobody. In a real program this is the session's user."""
    return request.headers.get("X-User-Id")


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
