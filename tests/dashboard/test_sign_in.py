"""Coming in: invitations, passwords, sessions, and what attackers try."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import pytest

from kana.model.colleague import Role
from kana.model.throttle import OF_BOTH
from kana.settings import Settings
from tests.dashboard.desk import PASSWORD, Desk, Visitor, text_of
from tests.support.stores import SqlitePlace
from tests.support.world import TESTER

FREE = OF_BOTH.free
REFUSED = "The e-mail address or the password is wrong."


def is_in(visitor: Visitor) -> bool:
    """Whether the browser is signed in."""
    return visitor.http.get("/test/packages").status_code == 200


def test_the_first_link_makes_the_owner_once(desk: Desk) -> None:
    """Whoever opens it says who they are and becomes the owner; used up, it is worth nothing."""
    token = desk.served.run(desk.colleagues.invite_first(by=TESTER))
    first = desk.guest()
    assert "You have been invited as owner" in first.get(f"/invite?token={token}")
    answer = first.post("/invite", token=str(token), email=" Ada@Example.com ", password=PASSWORD)
    assert (answer.status_code, answer.headers["location"]) == (303, "/test/packages")
    assert "ada@example.com" in first.get("/people")
    late = desk.guest()
    assert "already used" in late.get(f"/invite?token={token}", status=404)
    assert late.post("/invite", token=str(token), email="eve@example.com", password=PASSWORD).status_code == 404
    assert desk.served.run(desk.colleagues.invite_first(by=TESTER)) is None


def test_a_guest_cannot_choose_another_address_than_the_invited(desk: Desk) -> None:
    """The form's address counts for nothing where the invitation names one, nor does a role."""
    token = desk.served.run(desk.colleagues.invite("ada@example.com", Role.VIEWER, by=TESTER))
    guest = desk.guest()
    guest.post("/invite", token=token, email="boss@example.com", role="owner", password=PASSWORD)
    colleagues = desk.served.run(desk.colleagues.colleagues())
    assert {colleague.email: colleague.role for colleague in colleagues.values()} == {"ada@example.com": Role.VIEWER}


def test_a_short_password_is_refused_beside_its_field(desk: Desk) -> None:
    """The link still works afterwards, and the password is not repeated."""
    token = desk.served.run(desk.colleagues.invite("ada@example.com", Role.VIEWER, by=TESTER))
    guest = desk.guest()
    answer = guest.post("/invite", token=token, password="short&sad")
    assert answer.status_code == 400
    assert "Password must be 10 to 256 characters, got 9" in answer.text
    assert "short" not in answer.text
    assert guest.post("/invite", token=token, password=PASSWORD).status_code == 303


def test_unknown_wrong_and_disabled_read_the_same(desk: Desk) -> None:
    """Nobody learns who has an account."""
    desk.colleague(Role.OWNER)
    desk.colleague(Role.VIEWER)
    desk.served.run(desk.colleagues.disable("viewer@example.com", by=TESTER))
    pages = set()
    for email, password in (
        ("nobody@example.com", PASSWORD),
        ("owner@example.com", "wrong wrong wrong"),
        ("viewer@example.com", PASSWORD),
        ("\ud83d not even", PASSWORD),
    ):
        email = email.encode("utf-8", "replace").decode()
        answer = desk.guest().sign_in(email, password)
        assert answer.status_code == 401
        assert REFUSED in answer.text
        pages.add(re.sub(r'value="[^"]*"', "", answer.text))
    assert len(pages) == 1


def test_passwords_are_not_guessed(desk: Desk) -> None:
    """After five tries for one account from one address even the right one has to wait, as long as the answer says."""
    desk.colleague(Role.OWNER).http.post("/logout")
    desk.colleague(Role.VIEWER)
    guesser = desk.guest()
    statuses = [guesser.sign_in("owner@example.com", f"guess number {n}").status_code for n in range(FREE)]
    assert statuses == [401] * FREE
    refused = guesser.sign_in("OWNER@example.com")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert "Too many tries. Wait 30 seconds, then try again." in refused.text
    assert desk.guest().sign_in("owner@example.com").status_code == 429, "another browser of the same address"
    assert desk.guest().sign_in("viewer@example.com").status_code == 303, "another account is not held up"
    desk.served.clock.advance(seconds=30)
    assert guesser.sign_in("owner@example.com").status_code == 303


def test_who_came_in_before_is_not_kept_out_by_others(desk: Desk) -> None:
    """A colleague can sign in with the browser they used before, also from an address that others guess from."""
    owner, guesser = desk.colleague(Role.OWNER), desk.guest()
    owner.post("/logout")
    for _ in range(40):
        status = guesser.sign_in("owner@example.com", "wrong wrong wrong").status_code
    assert status == 429
    assert owner.sign_in("owner@example.com").status_code == 303
    assert owner.http.cookies["kana-known"]


def test_links_are_listed_and_withdrawn(desk: Desk) -> None:
    """Who may invite sees which links still work, who made them, and ends one by a button; its guest is told."""
    owner = desk.colleague(Role.OWNER)
    page = owner.post("/people/invite", email="guest@example.com", role="editor").text
    token = re.search(r"/invite\?token=([\w-]+)", page)
    assert token is not None
    listed = text_of(owner.get("/people"))
    assert "Open invitations To Role Invited by Expires Actions guest@example.com Editor owner@example.com" in listed
    link = re.search(r'name="link" value="(\w{64})"', owner.get("/people"))
    assert link is not None
    assert token[1] not in owner.get("/people"), "the link itself is shown only when it is made"
    assert desk.colleague(Role.EDITOR).post("/people/withdraw", link=link[1]).status_code == 403
    assert owner.post("/people/withdraw", link=link[1]).headers["location"] == "/people"
    assert "Open invitations" not in owner.get("/people")
    assert ("owner@example.com", "revoked", "invitation", "guest@example.com") in desk.log("person")
    assert "already used" in desk.guest().get(f"/invite?token={token[1]}", status=404)
    assert owner.post("/people/withdraw", link=link[1]).status_code == 404


def test_old_passwords_are_not_guessed_in_an_open_browser(desk: Desk) -> None:
    """Five tries, then the answer says how long to wait."""
    owner = desk.colleague(Role.OWNER)
    form = {"old": "wrong wrong wrong", "password": "other quiet words"}
    assert [owner.post("/account/password", **form).status_code for _ in range(FREE)] == [400] * FREE
    refused = owner.post("/account/password", **form)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert "Wait 30 seconds" in refused.text


def test_tries_are_counted_for_unknown_accounts_too(desk: Desk) -> None:
    """The limit tells nothing about who has an account."""
    guesser = desk.guest()
    statuses = [guesser.sign_in("nobody@example.com").status_code for _ in range(FREE + 1)]
    assert statuses == [401] * FREE + [429]


def test_a_right_password_begins_the_count_anew(desk: Desk) -> None:
    """Who mistypes now and then is never locked out."""
    desk.colleague(Role.OWNER)
    for _ in range(3):
        visitor = desk.guest()
        for _ in range(FREE - 1):
            assert visitor.sign_in("owner@example.com", "mistyped again").status_code == 401
        assert visitor.sign_in("owner@example.com").status_code == 303


def test_a_session_gets_a_new_id_at_sign_in(desk: Desk) -> None:
    """An id that somebody else put into the browser before is not let in afterwards."""
    desk.colleague(Role.OWNER)
    victim, attacker = desk.guest(), desk.guest()
    for visitor in (victim, attacker):
        visitor.http.cookies.set("kana-session", "chosen-by-the-attacker", domain="127.0.0.1", path="/")
    assert victim.sign_in("owner@example.com").status_code == 303
    assert is_in(victim)
    assert not is_in(attacker)
    assert "chosen-by-the-attacker" not in {cookie.value for cookie in victim.http.cookies.jar}


def test_a_session_ends_when_idle_and_when_old(desk: Desk) -> None:
    """Half an hour without a page, or twelve hours with many."""
    owner = desk.colleague(Role.OWNER)
    clock = desk.served.clock
    clock.advance(minutes=29, seconds=59)
    assert is_in(owner)
    clock.advance(minutes=30)
    assert not is_in(owner)
    owner.sign_in("owner@example.com")
    for _ in range(28):
        clock.advance(minutes=25)
        assert is_in(owner)
    clock.advance(minutes=20)
    assert not is_in(owner)


def test_signing_out_ends_the_session_itself(desk: Desk) -> None:
    """A copy of the cookie is worth nothing afterwards; another session of the colleague stays."""
    one, other = desk.colleague(Role.OWNER), desk.guest()
    other.sign_in("owner@example.com")
    copy = desk.guest()
    copy.http.cookies.update(one.http.cookies)
    assert one.post("/logout").headers["location"] == "/login"
    assert not is_in(copy)
    assert is_in(other)


@pytest.mark.parametrize("how", ["everywhere", "password", "role", "disabled", "invited"])
def test_every_session_ends_when_it_must(desk: Desk, how: str) -> None:
    """Signing out everywhere, another password, another role, and being disabled end all sessions of a colleague."""
    desk.colleague(Role.OWNER, "boss@example.com")
    one, other = desk.colleague(Role.EDITOR), desk.guest()
    other.sign_in("editor@example.com")
    if how == "everywhere":
        one.post("/logout/everywhere")
    elif how == "password":
        answer = one.post("/account/password", old=PASSWORD, password="other quiet words")
        assert answer.status_code == 303
        assert is_in(one), "who changed it stays, with a new session"
    elif how == "role":
        desk.served.run(desk.colleagues.change_role("editor@example.com", Role.VIEWER, by=TESTER))
    elif how == "disabled":
        desk.served.run(desk.colleagues.disable("editor@example.com", by=TESTER))
    else:
        desk.colleague(Role.EDITOR)
    assert not is_in(other)


def test_a_wrong_present_password_changes_nothing(desk: Desk) -> None:
    """It is said beside its field, and the old one still opens."""
    owner = desk.colleague(Role.OWNER)
    answer = owner.post("/account/password", old="wrong wrong wrong", password="other quiet words")
    assert answer.status_code == 400
    assert "The old password is wrong" in answer.text
    assert desk.guest().sign_in("owner@example.com").status_code == 303


@pytest.mark.parametrize(
    ("wanted", "goes"),
    [
        ("/live/features?sort=name", "/live/features?sort=name"),
        ("", "/test/packages"),
        ("https://elsewhere.example/", "/test/packages"),
        ("//elsewhere.example/", "/test/packages"),
        ("/\\elsewhere.example/", "/test/packages"),
        ("\\\\elsewhere.example", "/test/packages"),
        ("/a\r\nSet-Cookie: a=b", "/test/packages"),
        ("/a\tb", "/test/packages"),
        ("javascript:alert(1)", "/test/packages"),
    ],
)
def test_signing_in_leads_to_this_site_only(desk: Desk, wanted: str, goes: str) -> None:
    """Where a colleague was going is kept, and is never another site."""
    desk.colleague(Role.VIEWER)
    answer = desk.guest().sign_in("viewer@example.com", next=wanted)
    assert (answer.status_code, answer.headers["location"]) == (303, goes)


def test_a_page_that_was_asked_for_is_shown_after_signing_in(desk: Desk) -> None:
    """The whole address, query included."""
    desk.colleague(Role.VIEWER)
    stranger = desk.guest()
    asked = stranger.http.get("/live/package?id=pro%2F2026")
    assert asked.headers["location"] == "/login?next=%2Flive%2Fpackage%3Fid%3Dpro%252F2026"
    page = stranger.get(asked.headers["location"])
    assert 'name="next" value="/live/package?id=pro%2F2026"' in page


def test_cookies_are_for_this_browser_and_this_site_alone(desk: Desk) -> None:
    """No script reads them, no other site's form sends them, none outlives the session."""
    owner = desk.colleague(Role.OWNER)
    owner.post("/logout")
    cookie = cookie_of(owner.sign_in("owner@example.com"))
    assert cookie["kana-session"]["httponly"] is True
    assert cookie["kana-session"]["samesite"] == "lax"
    assert (cookie["kana-session"]["path"], cookie["kana-session"]["domain"]) == ("/", "")
    assert cookie["kana-session"]["max-age"] == str(12 * 3600)
    assert len(cookie["kana-session"].value) == 43, "32 random bytes"


def cookie_of(answer: httpx.Response) -> SimpleCookie:
    """The cookies that an answer sets."""
    return SimpleCookie("; ".join(answer.headers.get_list("set-cookie")[:1]))


def test_no_password_is_taken_over_plain_http_from_elsewhere(desk: Desk) -> None:
    """Neither a form nor a session by a name that is not this machine's: rebinding and wiretapping get nothing."""
    desk.colleague(Role.OWNER)
    stranger, host = desk.guest(), {"Host": "kana.example"}
    page = stranger.http.get("/login", headers=host)
    assert "plain http" in page.text
    assert 'type="password"' not in page.text
    csrf = desk.guest().csrf
    answer = stranger.http.post(
        "/login", headers=host, data={"csrf": csrf, "email": "owner@example.com", "password": PASSWORD}
    )
    assert answer.status_code == 403


def test_what_is_stored_opens_nothing(desk: Desk) -> None:
    """Neither a session's id, an invitation's token nor a password can be read from the database."""
    owner = desk.colleague(Role.OWNER)
    token = desk.served.run(desk.colleagues.invite("ada@example.com", Role.VIEWER, by=TESTER))
    session = owner.http.cookies["kana-session"]
    place = desk.place
    raw = b"".join(path.read_bytes() for path in sorted(place.parent.iterdir()) if path.is_file())
    assert b"owner@example.com" in raw, "the control: what is stored plainly is found"
    for secret in (token, session, PASSWORD):
        assert secret.encode() not in raw
    assert b"$argon2id$v=19$m=19456,t=2,p=1$" in raw


def test_behind_https_cookies_are_for_https_alone(tmp_path: Path) -> None:
    """With KANA_PUBLIC_URL their names bind them to that host, forms are held to it, and browsers stay with https."""
    settings = Settings(public_url="https://kana.example")
    with Desk(SqlitePlace(tmp_path / "behind.db"), settings=settings) as desk:
        token = desk.served.run(desk.colleagues.invite("ada@example.com", Role.OWNER, by=TESTER))
        answer = desk.guest().http.get(f"/invite?token={token}")
        cookie = cookie_of(answer)["__Host-kana-session"]
        assert (cookie["secure"], cookie["httponly"], cookie["path"], cookie["domain"]) == (True, True, "/", "")
        assert answer.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
        csrf = re.search(r'name="csrf" value="(\w+)"', answer.text)
        assert csrf is not None
        form = {"csrf": csrf[1], "token": token, "password": PASSWORD}
        sent = {"Cookie": f"__Host-kana-session={cookie.value}"}
        for origin, status in ((desk.served.url, 403), ("http://kana.example", 403), ("https://kana.example", 303)):
            answer = desk.guest().http.post("/invite", data=form, headers={**sent, "Origin": origin})
            assert answer.status_code == status, origin
        assert cookie_of(answer)["__Host-kana-session"].value != cookie.value
        plain = {"Cookie": f"kana-session={cookie_of(answer)['__Host-kana-session'].value}"}
        assert desk.guest().http.get("/test/packages", headers=plain).status_code == 303, (
            "by another name it is nothing"
        )
