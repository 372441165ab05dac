"""Readiness on PostgreSQL says no while writes are refused, though reads go on."""

from __future__ import annotations

import pytest

from kana.errors import StorageFull
from kana.model.key import generate_signing_secret
from kana.store.postgres import PostgresStore
from tests.support.postgres import PostgresServer
from tests.support.stores import PostgresPlace, furnish_workspace
from tests.support.world import LIVE, NOON, TESTER

FULL = """
create function full_disk() returns trigger language plpgsql as
$$ begin raise exception 'could not extend file' using errcode = '53100'; end $$;
create trigger full_disk before insert or update on signing_secrets for each row execute function full_disk();
create trigger full_disk before insert or update on workspace for each row execute function full_disk();
"""


async def test_a_store_that_refused_a_write_is_ready_when_it_takes_one(postgres_server: PostgresServer) -> None:
    """It tries by itself, since nobody sends one to a server that is not ready. The control: before, it is ready."""
    place = PostgresPlace(postgres_server.create_database())
    store = await PostgresStore.open(place.url)
    await furnish_workspace(store)
    await place.tamper(FULL)
    await store.probe()
    with pytest.raises(StorageFull):
        await store.keys.add_signing_secret(generate_signing_secret(LIVE, now=NOON), by=TESTER, now=NOON)
    assert await store.keys.keyring() is not None
    for _ in range(2):
        with pytest.raises(StorageFull):
            await store.probe()
    await place.tamper("drop function full_disk cascade")
    await store.probe()
    await store.close()
