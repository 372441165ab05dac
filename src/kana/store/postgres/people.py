"""People, sessions and invitations on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from kana.errors import NotFound
from kana.model.environment import Actor
from kana.model.period import to_milliseconds
from kana.model.person import Invitation, Person, Session
from kana.store import person_rows as rows
from kana.store.postgres.database import Database
from kana.store.postgres.pool import Connection, fetch
from kana.store.postgres.statements import SESSION, SQL


class People:
    """Keeps who may sign in to the dashboard. Changes of people are made one after the other, under one lock."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def people(self) -> Mapping[str, Person]:
        """See the port."""
        return await self._database.read(_load_people)

    async def change_people(
        self, change: Callable[[Mapping[str, Person]], Person], *, by: Actor, now: datetime
    ) -> Person:
        """See the port."""

        async def work(connection: Connection) -> Person:
            await connection.execute(SESSION["lock_people"])
            people = await _load_people(connection)
            return await _put(connection, people, change(people), by=by, now=now)

        return await self._database.write(work)

    async def add_invitation(self, invitation: Invitation, *, by: Actor, now: datetime) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            await connection.execute(SQL["delete_stale_invitations"], invitation.email, to_milliseconds(now))
            await connection.execute(SQL["add_invitation"], *rows.invitation_row(invitation))
            await connection.execute(SQL["add_log_line"], *rows.invitation_log_row(invitation, by=by, now=now))

        await self._database.write(work)

    async def invitation(self, hashed: bytes) -> Invitation | None:
        """See the port."""
        found = await self._database.read(lambda connection: fetch(connection, SQL["load_invitation"], hashed))
        return rows.invitation_from(found[0]) if found else None

    async def invitation_to(self, email: str) -> Invitation | None:
        """See the port."""
        found = await self._database.read(lambda connection: fetch(connection, SQL["load_invitation_to"], email))
        return rows.invitation_from(found[0]) if found else None

    async def accept_invitation(
        self, hashed: bytes, accept: Callable[[Invitation, Mapping[str, Person]], Person], *, now: datetime
    ) -> Person:
        """See the port."""

        async def work(connection: Connection) -> Person:
            await connection.execute(SESSION["lock_people"])
            taken = await fetch(connection, SQL["take_invitation"], hashed)
            if not taken:
                raise NotFound("this link was used already, or is too old; ask for another one")
            people = await _load_people(connection)
            person = accept(rows.invitation_from(taken[0]), people)
            return await _put(connection, people, person, by=Actor(kind="person", name=person.email), now=now)

        return await self._database.write(work)

    async def add_session(self, session: Session) -> None:
        """See the port."""

        async def work(connection: Connection) -> None:
            await connection.execute(SQL["delete_stale_sessions"], *rows.stale_sessions_row(session.started_at))
            await connection.execute(SQL["add_session"], *rows.session_row(session))

        await self._database.write(work)

    async def session(self, hashed: bytes) -> tuple[Session, Person] | None:
        """See the port."""
        found = await self._database.read(lambda connection: fetch(connection, SQL["load_session"], hashed))
        return rows.session_from(found[0]) if found else None

    async def touch_session(self, hashed: bytes, *, now: datetime) -> None:
        """See the port."""
        await self._execute("touch_session", hashed, to_milliseconds(now))

    async def end_session(self, hashed: bytes) -> None:
        """See the port."""
        await self._execute("delete_session", hashed)

    async def end_sessions(self, email: str) -> None:
        """See the port."""
        await self._execute("delete_sessions_of", email)

    async def take_try(self, key: bytes, *, now: datetime) -> int:
        """See the port."""

        async def work(connection: Connection) -> int:
            await connection.execute(SQL["delete_stale_tries"], rows.window_start(now))
            return int(await connection.fetchval(SQL["count_try"], *rows.try_row(key, now=now)))

        return await self._database.write(work)

    async def forget_tries(self, key: bytes) -> None:
        """See the port."""
        await self._execute("delete_tries", key)

    async def _execute(self, statement: str, *bindings: str | int | bytes) -> None:
        async def work(connection: Connection) -> None:
            await connection.execute(SQL[statement], *bindings)

        await self._database.write(work)


async def _load_people(connection: Connection) -> Mapping[str, Person]:
    return rows.people_from(await fetch(connection, SQL["load_people"]))


async def _put(
    connection: Connection, people: Mapping[str, Person], person: Person, *, by: Actor, now: datetime
) -> Person:
    await connection.execute(SQL["put_person"], *rows.person_row(person))
    await connection.execute(SQL["delete_sessions_of"], person.email)
    await connection.execute(
        SQL["add_log_line"], *rows.person_log_row(people.get(person.email), person, by=by, now=now)
    )
    return person
