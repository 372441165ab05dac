"""The verbs about colleagues, on a real file."""

from __future__ import annotations

from pathlib import Path

import pytest

from kana.engine.access.colleagues import REFUSED, ColleagueEngine
from kana.errors import InvalidValue, NotFound, RateLimited, Unauthenticated
from kana.model.colleague import Invitation, Role, hash_token
from kana.model.environment import Actor
from kana.store.sqlite import SqliteStore
from tests.support.stores import furnish_workspace
from tests.support.world import NOON, ONE_DAY, TESTER, SetClock

HERE = "127.0.0.1"


class PlainPasswords:
    """Keeps what it is given and notes what it compared, as fast as tests need."""

    def __init__(self) -> None:
        self.compared: list[str | None] = []

    async def hash(self, text: str) -> str:
        return f"hash of {text}"

    async def verify(self, text: str, hashed: str | None) -> bool:
        self.compared.append(hashed)
        return hashed == f"hash of {text}"


class People:
    """The engine, its clock and its passwords."""

    def __init__(self, store: SqliteStore) -> None:
        self.store, self.clock, self.passwords = store, SetClock(), PlainPasswords()
        self.engine = ColleagueEngine(store.colleagues, clock=self.clock, passwords=self.passwords)

    async def ada(self, role: Role = Role.OWNER) -> str:
        """Invite Ada and let her in; return the id of her session."""
        token = await self.engine.invite(" Ada@Example.com", role, by=TESTER)
        return (await self.engine.accept(token, email="ignored", password_text="quiet words")).token


@pytest.fixture
async def colleagues(tmp_path: Path):  # type: ignore[no-untyped-def]
    """An engine on an empty file."""
    store = SqliteStore(str(tmp_path / "kana.db"))
    await furnish_workspace(store)
    yield People(store)
    await store.close()


async def test_the_first_owner_says_who_they_are(colleagues: People) -> None:
    """Once; a second link for a first owner is worth nothing when there is one."""
    one = await colleagues.engine.invite_first(by=TESTER)
    assert one is not None
    signed_in = await colleagues.engine.accept(one, email=" Ada@Example.com ", password_text="quiet words")
    assert (signed_in.colleague.email, signed_in.colleague.role) == ("ada@example.com", Role.OWNER)
    assert await colleagues.engine.invite_first(by=TESTER) is None


async def test_a_first_link_ends_when_somebody_is_there(colleagues: People) -> None:
    """Whoever was invited meanwhile by name came first, also before a link that was on its way to be made."""
    first = await colleagues.engine.invite_first(by=TESTER)
    await colleagues.ada()
    assert first is not None
    with pytest.raises(NotFound, match="already used or has expired"):
        await colleagues.engine.accept(first, email="eve@example.com", password_text="quiet words")
    late = Invitation(hash=hash_token("late"), email=None, role=Role.OWNER, expires_at=NOON + ONE_DAY)
    await colleagues.store.colleagues.add_invitation(late, by=TESTER, now=NOON)
    with pytest.raises(NotFound, match="there is already an owner"):
        await colleagues.engine.accept("late", email="eve@example.com", password_text="quiet words")
    assert list(await colleagues.engine.colleagues()) == ["ada@example.com"]


async def test_an_invitation_ends_after_three_days(colleagues: People) -> None:
    """To the moment; and an address or a password that is none uses no link up."""
    token = await colleagues.engine.invite("ada@example.com", Role.VIEWER, by=TESTER)
    with pytest.raises(InvalidValue, match="password must be"):
        await colleagues.engine.accept(token, email="", password_text="short")
    colleagues.clock.advance(days=3, milliseconds=-1)
    assert (await colleagues.engine.invitation(token)).role is Role.VIEWER
    colleagues.clock.advance(milliseconds=1)
    with pytest.raises(NotFound, match="already used or has expired"):
        await colleagues.engine.accept(token, email="", password_text="quiet words")
    with pytest.raises(InvalidValue):
        await colleagues.engine.invite("ada", Role.VIEWER, by=TESTER)


async def test_another_invitation_is_another_password(colleagues: People) -> None:
    """For somebody who is there: the role changes too, sessions end, and they stay who they were since."""
    session = await colleagues.ada(Role.EDITOR)
    since = (await colleagues.engine.colleagues())["ada@example.com"].created_at
    colleagues.clock.advance(days=1)
    token = await colleagues.engine.invite("ada@example.com", Role.OWNER, by=TESTER)
    signed_in = await colleagues.engine.accept(token, email="", password_text="other words")
    assert (signed_in.colleague.role, signed_in.colleague.created_at) == (Role.OWNER, since)
    assert await colleagues.engine.colleague_of(session) is None
    assert await colleagues.engine.colleague_of(signed_in.token) == signed_in.colleague


async def test_everybody_who_is_refused_takes_as_long(colleagues: People) -> None:
    """For an unknown or a disabled colleague a password is compared too, with nothing that it could equal."""
    await colleagues.ada()
    token = await colleagues.engine.invite("bob@example.com", Role.VIEWER, by=TESTER)
    await colleagues.engine.accept(token, email="", password_text="quiet words")
    await colleagues.engine.disable("bob@example.com", by=TESTER)
    for email in ("nobody@example.com", "bob@example.com", "ada@example.com"):
        with pytest.raises(Unauthenticated, match=REFUSED):
            await colleagues.engine.sign_in(email, "wrong words", address=HERE)
    assert colleagues.passwords.compared == [None, None, "hash of quiet words"]


async def guess(colleagues: People, address: str, *, mark: str = "", email: str = "ada@example.com") -> bool:
    """Try a wrong password; return whether it was looked at."""
    before = len(colleagues.passwords.compared)
    with pytest.raises((Unauthenticated, RateLimited)):
        await colleagues.engine.sign_in(email, "wrong words", address=address, mark=mark)
    return len(colleagues.passwords.compared) > before


async def test_too_many_tries_are_not_looked_at(colleagues: People) -> None:
    """The sixth has to wait, which the answer says to the second, and each failure after that doubles the wait."""
    await colleagues.ada()
    assert [await guess(colleagues, HERE) for _ in range(6)] == [True] * 5 + [False]
    for wait_s in (30, 60, 120, 240, 300, 300):
        with pytest.raises(RateLimited, match=f"Wait {wait_s} seconds, then try again") as refused:
            await colleagues.engine.sign_in("ada@example.com", "quiet words", address=HERE)
        assert refused.value.retry_after_s == wait_s
        colleagues.clock.advance(seconds=wait_s, milliseconds=-1)
        assert not await guess(colleagues, HERE)
        colleagues.clock.advance(milliseconds=1)
        assert await guess(colleagues, HERE)
    colleagues.clock.advance(seconds=300)
    signed_in = await colleagues.engine.sign_in(" ADA@example.com", "quiet words", address=HERE)
    assert signed_in.colleague.email == "ada@example.com"
    assert [await guess(colleagues, HERE) for _ in range(6)] == [True] * 5 + [False], (
        "a right one begins the count anew"
    )


async def test_guesses_at_one_account_from_everywhere_are_few(colleagues: People) -> None:
    """Of two hundred from forty places twenty are looked at, and after that one a minute."""
    await colleagues.ada()
    looked_at = sum([await guess(colleagues, f"192.0.2.{number % 40}") for number in range(200)])
    assert looked_at == 20
    colleagues.clock.advance(seconds=60)
    assert sum([await guess(colleagues, f"198.51.100.{number}") for number in range(50)]) == 1


async def test_guesses_from_one_place_at_every_account_are_few(colleagues: People) -> None:
    """The addresses that an owner of an IPv6 network can choose from are one place, and so are IPv4's two notations."""
    assert sum([await guess(colleagues, f"2001:db8::{n:x}", email=f"p{n}@example.com") for n in range(40)]) == 20
    spoken = (f"{'::ffff:' if n % 2 else ''}192.0.2.1" for n in range(40))
    assert sum([await guess(colleagues, address, email=f"q{n}@example.com") for n, address in enumerate(spoken)]) == 20
    assert await guess(colleagues, "2001:db8:0:1::1", email="r@example.com"), "the next network is another place"


async def test_guesses_of_others_keep_no_owner_out(colleagues: People) -> None:
    """From a browser they used before they come in at once; from a new one within the minute that the answer says."""
    await colleagues.ada()
    mark = (await colleagues.engine.sign_in("ada@example.com", "quiet words", address=HERE)).mark
    for number in range(2_000):
        await guess(colleagues, f"192.0.{number % 8}.{number % 250}")
    assert (await colleagues.engine.sign_in("ada@example.com", "quiet words", address=HERE, mark=mark)).mark != mark
    with pytest.raises(RateLimited) as refused:
        await colleagues.engine.sign_in("ada@example.com", "quiet words", address="203.0.113.1")
    assert refused.value.retry_after_s is not None
    assert refused.value.retry_after_s <= 60
    colleagues.clock.advance(seconds=refused.value.retry_after_s)
    await colleagues.engine.sign_in("ada@example.com", "quiet words", address="203.0.113.1")


async def test_a_mark_opens_nothing(colleagues: People) -> None:
    """It has its own five tries, counts for its own account, ends with the password, and none can be made up."""
    await colleagues.ada()
    one = await colleagues.engine.sign_in("ada@example.com", "quiet words", address=HERE)
    assert [await guess(colleagues, HERE, mark=one.mark) for _ in range(6)] == [True] * 5 + [False]
    assert await guess(colleagues, HERE), "what others are counted by was not touched"
    nonce, _, signature = one.mark.partition(".")
    for made_up in ("", ".", "x", f"{nonce}x.{signature}", f"{nonce}.{'0' * 64}", "\ud83d.\ud83d", f"{one.mark}x"):
        assert [await guess(colleagues, f"192.0.2.{len(made_up)}", mark=made_up) for _ in range(6)][-1] is False
    token = await colleagues.engine.invite("bob@example.com", Role.VIEWER, by=TESTER)
    await colleagues.engine.accept(token, email="", password_text="quiet words")
    for _ in range(6):
        last = await guess(colleagues, "192.0.2.200", mark=one.mark, email="bob@example.com")
    assert last is False
    await colleagues.engine.change_password(one.colleague, old="quiet words", new="other words", by=TESTER)
    assert [await guess(colleagues, "192.0.2.201", mark=one.mark) for _ in range(6)][-1] is False


async def test_old_passwords_are_not_guessed(colleagues: People) -> None:
    """Whoever sits at somebody's open browser has five tries too, and a short new password costs none."""
    await colleagues.ada()
    ada = (await colleagues.engine.colleagues())["ada@example.com"]
    for _ in range(7):
        with pytest.raises(InvalidValue, match="password must be"):
            await colleagues.engine.change_password(ada, old="quiet words", new="short", by=TESTER)
    for _ in range(5):
        with pytest.raises(InvalidValue, match="the old password is wrong"):
            await colleagues.engine.change_password(ada, old="wrong words", new="other words", by=TESTER)
    with pytest.raises(RateLimited):
        await colleagues.engine.change_password(ada, old="quiet words", new="other words", by=TESTER)
    colleagues.clock.advance(seconds=30)
    await colleagues.engine.change_password(ada, old="quiet words", new="other words", by=TESTER)


async def test_each_failure_leaves_a_line(colleagues: People, caplog: pytest.LogCaptureFixture) -> None:
    """With the account and the place, and without a password, whichever field it was typed into."""
    await colleagues.ada()
    secret = "my secret words"
    for email, password, address in (
        ("ada@example.com", secret, "192.0.2.1"),
        (secret, "ada@example.com", "192.0.2.1"),
        ("a\nb@example.com", secret, "nowhere\n"),
    ):
        with pytest.raises(Unauthenticated):
            await colleagues.engine.sign_in(email, password, address=address)
    for _ in range(5):
        await guess(colleagues, "192.0.2.1")
    ada = (await colleagues.engine.colleagues())["ada@example.com"]
    with pytest.raises(InvalidValue):
        await colleagues.engine.change_password(ada, old=secret, new="other words", by=TESTER, address=HERE)
    told = [(each.getMessage(), each.__dict__["account"], each.__dict__["address"]) for each in caplog.records]
    assert told == [
        ("sign-in failed: wrong password", "'ada@example.com'", "192.0.2.1"),
        ("sign-in failed: wrong password", "no e-mail address", "192.0.2.1"),
        ("sign-in failed: wrong password", "no e-mail address", ""),
        *[("sign-in failed: wrong password", "'ada@example.com'", "192.0.2.1")] * 4,
        ("sign-in failed: too many tries", "'ada@example.com'", "192.0.2.1"),
        ("sign-in failed: wrong old password", "'ada@example.com'", HERE),
    ]
    assert secret not in caplog.text


async def test_a_password_that_changes_meanwhile_lets_nobody_in(colleagues: People) -> None:
    """Compared with the old one, and written over before the session begins: it does not begin."""
    await colleagues.ada()
    ada = (await colleagues.engine.colleagues())["ada@example.com"]

    async def verify(text: str, hashed: str | None) -> bool:
        colleagues.passwords.verify = PlainPasswords().verify  # type: ignore[method-assign]
        await colleagues.engine.change_password(ada, old="quiet words", new="other words", by=TESTER)
        return hashed == f"hash of {text}"

    colleagues.passwords.verify = verify  # type: ignore[method-assign]
    with pytest.raises(Unauthenticated, match=REFUSED):
        await colleagues.engine.sign_in("ada@example.com", "quiet words", address=HERE)


@pytest.mark.parametrize("how", ["role", "disabled", "inviter"])
async def test_no_link_outlives_its_reason(colleagues: People, how: str) -> None:
    """An unused second link restores neither a role nor a disabled colleague; nor does one by a former owner."""
    await colleagues.ada()
    bob = Actor(kind="person", name="bob@example.com")
    token = await colleagues.engine.invite(bob.name, Role.OWNER, by=TESTER)
    await colleagues.engine.accept(token, email="", password_text="quiet words")
    if how == "inviter":
        second = await colleagues.engine.invite("eve@example.com", Role.OWNER, by=bob)
    else:
        second = await colleagues.engine.invite(bob.name, Role.OWNER, by=TESTER)
    assert [each.invited_by for each in await colleagues.engine.open_invitations()] == [bob.name * (how == "inviter")]
    if how == "role":
        await colleagues.engine.change_role(bob.name, Role.VIEWER, by=TESTER)
    else:
        await colleagues.engine.disable(bob.name, by=TESTER)
    assert await colleagues.engine.open_invitations() == []
    with pytest.raises(NotFound):
        await colleagues.engine.accept(second, email="", password_text="other words")


async def test_open_links_are_listed_and_withdrawn(colleagues: People) -> None:
    """Those that have expired are not open; one that is withdrawn opens nothing."""
    old = await colleagues.engine.invite("old@example.com", Role.VIEWER, by=TESTER)
    colleagues.clock.advance(days=2)
    new = await colleagues.engine.invite("new@example.com", Role.EDITOR, by=TESTER)
    assert [each.email for each in await colleagues.engine.open_invitations()] == ["old@example.com", "new@example.com"]
    colleagues.clock.advance(days=1)
    (link,) = await colleagues.engine.open_invitations()
    assert (link.email, link.role) == ("new@example.com", Role.EDITOR)
    assert await colleagues.engine.withdraw_invitation(link.hash.hex(), by=TESTER) == link
    for token in (old, new):
        with pytest.raises(NotFound):
            await colleagues.engine.accept(token, email="", password_text="quiet words")
    for name in (link.hash.hex(), "", "zz", "\ud83d"):
        with pytest.raises(NotFound, match="already used or withdrawn"):
            await colleagues.engine.withdraw_invitation(name, by=TESTER)


async def test_a_session_lives_by_being_used(colleagues: People) -> None:
    """Its use is written once a minute at most, and keeps it alive; a disabled colleague has none."""
    token = await colleagues.ada()
    for _ in range(4):
        colleagues.clock.advance(minutes=20)
        assert await colleagues.engine.colleague_of(token) is not None
        colleagues.clock.advance(seconds=59)
        assert await colleagues.engine.colleague_of(token) is not None
    colleagues.clock.advance(minutes=30)
    assert await colleagues.engine.colleague_of(token) is None
    assert await colleagues.engine.colleague_of("made up") is None


async def test_sessions_end_by_one_and_by_all(colleagues: People) -> None:
    """Signing out ends one, everywhere all."""
    one = await colleagues.ada()
    two = (await colleagues.engine.sign_in("ada@example.com", "quiet words", address=HERE)).token
    ada = await colleagues.engine.colleague_of(one)
    assert ada is not None
    await colleagues.engine.sign_out(one)
    assert [await colleagues.engine.colleague_of(token) for token in (one, two)] == [None, ada]
    await colleagues.engine.sign_out_everywhere(ada)
    assert await colleagues.engine.colleague_of(two) is None


async def test_a_role_and_a_password_are_changed(colleagues: People) -> None:
    """The password by who knows the present one."""
    token = await colleagues.ada()
    other = await colleagues.engine.invite("bob@example.com", Role.OWNER, by=TESTER)
    await colleagues.engine.accept(other, email="", password_text="quiet words")
    ada = await colleagues.engine.colleague_of(token)
    assert ada is not None
    with pytest.raises(InvalidValue, match="the old password is wrong"):
        await colleagues.engine.change_password(ada, old="wrong words", new="other words", by=TESTER)
    signed_in = await colleagues.engine.change_password(ada, old="quiet words", new="other words", by=TESTER)
    assert await colleagues.engine.colleague_of(token) is None
    assert await colleagues.engine.colleague_of(signed_in.token) is not None
    assert (await colleagues.engine.change_role("ada@example.com", Role.VIEWER, by=TESTER)).role is Role.VIEWER


async def test_a_provider_of_identity_lets_in_who_is_invited(colleagues: People) -> None:
    """By their invitation, which is used up, or as the colleague they are; nobody else."""
    for email in ("nobody@example.com", "ada@example.com", "no address", "a\0@example.com", "\ud83d@example.com"):
        with pytest.raises(Unauthenticated, match="Nobody with this e-mail address was invited"):
            await colleagues.engine.sign_in_by_provider(email)
    token = await colleagues.engine.invite("ada@example.com", Role.EDITOR, by=TESTER)
    first = await colleagues.engine.sign_in_by_provider("Ada@example.com")
    assert (first.colleague.role, first.colleague.password_hash, first.mark) == (Role.EDITOR, None, "")
    assert [await guess(colleagues, HERE, mark="a.b") for _ in range(6)] == [True] * 5 + [False], "no password, no mark"
    with pytest.raises(NotFound):
        await colleagues.engine.invitation(token)
    again = await colleagues.engine.sign_in_by_provider("ada@example.com")
    assert again.colleague == first.colleague
    await colleagues.engine.invite("late@example.com", Role.EDITOR, by=TESTER)
    colleagues.clock.advance(days=3)
    with pytest.raises(Unauthenticated):
        await colleagues.engine.sign_in_by_provider("late@example.com")
    await colleagues.ada()
    disabled = await colleagues.engine.invite("bob@example.com", Role.VIEWER, by=TESTER)
    await colleagues.engine.accept(disabled, email="", password_text="quiet words")
    await colleagues.engine.disable("bob@example.com", by=TESTER)
    with pytest.raises(Unauthenticated):
        await colleagues.engine.sign_in_by_provider("bob@example.com")
