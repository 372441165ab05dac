"""`kana users`: a link that works, a list, and an end, beside a server that runs."""

from __future__ import annotations

import json
import re

import httpx

from tests.support.server import KanaServer


def test_people_are_invited_listed_and_disabled_beside_a_server() -> None:
    """The link opens the page of the server that runs, once; who is disabled is listed as such and let in no more."""
    with KanaServer() as server:
        assert "kana init" not in server.kana("users", "list").stderr
        made = json.loads(server.kana("users", "invite", "Ada@example.com", "--role", "owner", "--json").stdout)
        assert (made["email"], made["role"]) == ("Ada@example.com", "owner")
        link = made["link"].rpartition("/invite")[2]
        with httpx.Client(base_url=server.address, follow_redirects=True) as browser:
            page = browser.get(f"/invite{link}").text
            csrf = re.search(r'name="csrf" value="(\w+)"', page)
            assert csrf is not None
            form = {"csrf": csrf[1], "token": link.partition("=")[2], "password": "four quiet words"}
            assert "Packages" in browser.post("/invite", data=form).text
            assert browser.get("/people").status_code == 200

            invited = server.kana("users", "invite", "bob@example.com", "--role", "owner").stdout
            assert "Send this to bob@example.com: it works once, within 3 days." in invited
            listed = json.loads(server.kana("users", "list", "--json").stdout)
            assert [(each["email"], each["role"], each["disabled"]) for each in listed] == [
                ("ada@example.com", "owner", None)
            ]
            refused = server.kana("users", "disable", "ada@example.com")
            assert (refused.returncode, refused.stderr) == (
                1, "Error: nobody but ada@example.com is an owner; invite another one first\n",
            )  # fmt: skip
            unknown = server.kana("users", "disable", "who@example.com")
            assert unknown.stderr == "Error: nobody has the e-mail address 'who@example.com'\n"
            assert browser.get("/people").status_code == 200


def test_an_address_that_is_none_is_refused() -> None:
    """With the reason, and nothing is printed that looks like a link."""
    with KanaServer() as server:
        refused = server.kana("users", "invite", "ada")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "must be an e-mail address" in refused.stderr
