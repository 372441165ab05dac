"""`kana colleagues`: a link that works, a list, and an end, beside a server that runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest

from kana.cli.address import http_address
from tests.support.postgres import Postgres
from tests.support.server import KanaServer


def test_people_are_invited_listed_and_disabled_beside_a_server() -> None:
    """The link opens the page of the running server, once; a disabled colleague is listed and can no longer sign in."""
    with KanaServer() as server:
        assert "kana init" not in server.kana("users", "list").stderr
        made = json.loads(server.kana("colleagues", "invite", "Ada@example.com", "--role", "owner", "--json").stdout)
        assert (made["email"], made["role"]) == ("Ada@example.com", "owner")
        link = made["link"].rpartition("/invite")[2]
        with httpx.Client(base_url=server.address, follow_redirects=True) as browser:
            page = browser.get(f"/invite{link}").text
            csrf = re.search(r'name="csrf" value="(\w+)"', page)
            assert csrf is not None
            form = {"csrf": csrf[1], "token": link.partition("=")[2], "password": "four quiet words"}
            assert "Packages" in browser.post("/invite", data=form).text
            assert browser.get("/people").status_code == 200

            invited = server.kana("colleagues", "invite", "bob@example.com", "--role", "owner").stdout
            assert "Send this link to bob@example.com. It works once, within 3 days." in invited
            listed = json.loads(server.kana("colleagues", "list", "--json").stdout)
            assert [(each["email"], each["role"], each["disabled"]) for each in listed] == [
                ("ada@example.com", "owner", None)
            ]
            refused = server.kana("colleagues", "disable", "ada@example.com")
            assert (refused.returncode, refused.stderr) == (
                1, "Error: the only owner is ada@example.com; invite another one first\n",
            )  # fmt: skip
            unknown = server.kana("colleagues", "disable", "who@example.com")
            assert unknown.stderr == "Error: nobody has the e-mail address 'who@example.com'\n"
            assert browser.get("/people").status_code == 200


def link_of(server: KanaServer) -> str:
    """Where an invitation leads to, without its token."""
    made = server.kana("colleagues", "invite", "ada@example.com", "--json")
    return str(json.loads(made.stdout)["link"]).partition("/invite?token=")[0]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_link_leads_to_the_server_that_runs(postgres_server: Postgres, workers: str) -> None:
    """To the port it was given by an option, which the command cannot know of itself; KANA_PUBLIC_URL is above."""
    settings = {"KANA_WORKERS": workers}
    url = postgres_server.create_database() if workers == "2" else None
    with KanaServer(settings=settings, database_url=url) as server:
        assert link_of(server) == server.address
        assert httpx.get(f"{link_of(server)}/healthz").status_code == 200
        server.terminate()
        server.port = 0
        server.start()
        assert link_of(server) == server.address
        server.settings["KANA_PUBLIC_URL"] = "https://kana.example.com"
        assert link_of(server) == "https://kana.example.com"


def test_before_any_server_a_link_leads_to_where_it_will_be(tmp_path: Path) -> None:
    """By the settings."""
    server = KanaServer(tmp_path, settings={"KANA_PORT": "9123"})
    server.init()
    assert link_of(server) == "http://127.0.0.1:9123"
    server.close()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"), ("0.0.0.0", "http://127.0.0.1:80"), ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"), ("10.0.0.7", "http://10.0.0.7:80"), ("kana.local", "http://kana.local:80"),
    ],
)  # fmt: skip
def test_an_address_is_one_that_browsers_open(host: str, expected: str) -> None:
    """IPv6 stands in brackets, and what listens everywhere is found on this machine."""
    assert http_address(host, 80) == expected


def test_an_address_that_is_none_is_refused() -> None:
    """With the reason, and nothing is printed that looks like a link."""
    with KanaServer() as server:
        refused = server.kana("colleagues", "invite", "ada")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "must be an e-mail address" in refused.stderr
