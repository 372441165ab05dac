"""A print shop behind Django: pages are counted, previews are in some plans only.

Run it with ``python with_django.py runserver`` and the private key of the test environment in KANA_KEY; see README.md.
"""

from __future__ import annotations

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_POST, require_safe
from print_shop import ENDPOINT, KEY, REPORTS, set_up

from kana.sdk import KanaAdmin
from kana.sdk.django import gate

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["127.0.0.1"], SECRET_KEY=os.urandom(32).hex())

kana = KanaAdmin(api_key=KEY, endpoint=ENDPOINT)
set_up()


def signed_in(request: HttpRequest) -> str | None:
    """Say who asks, None for nobody. In a real program this is ``request.user.pk``."""
    user_id: str | None = request.headers.get("X-User-Id")
    return user_id


def copies(request: HttpRequest) -> str:
    """Say how much they are about to use."""
    return str(request.GET.get("copies", "1"))


@require_POST
@gate(kana, "pages", user=signed_in, amount=copies)
def print_report(_request: HttpRequest, name: str) -> JsonResponse:
    """Print a report: one page for each copy, counted when it worked."""
    if name not in REPORTS:
        return JsonResponse({"error": "no such report"}, status=404)
    return JsonResponse({"printed": REPORTS[name]})


@require_safe
@gate(kana, "preview", user=signed_in)
def preview_report(_request: HttpRequest, name: str) -> JsonResponse:
    """Show the beginning of a report."""
    if name not in REPORTS:
        return JsonResponse({"error": "no such report"}, status=404)
    return JsonResponse({"preview": REPORTS[name][:5]})


urlpatterns = [
    path("reports/<name>/print", print_report),
    path("reports/<name>/preview", preview_report),
]
application = get_wsgi_application()

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
