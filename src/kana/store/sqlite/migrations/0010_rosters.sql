-- Rosters on their way into the users, a page after the other. What is decided is merged to its end, also after
-- a crash; what is not is dropped.
create table rosters (
    id integer not null primary key check (id > 0),
    environment text not null,
    source text not null,
    actor_kind text not null,
    actor_name text not null,
    begun_at integer not null,
    moved_at integer not null,
    is_decided integer not null check (is_decided in (0, 1)),
    made integer not null check (made >= 0),
    changed integer not null check (changed >= 0)
) strict;

create table roster_pages (
    roster_id integer not null,
    page integer not null check (page >= 0),
    listed text not null check (json_valid(listed)),
    primary key (roster_id, page)
) strict;
