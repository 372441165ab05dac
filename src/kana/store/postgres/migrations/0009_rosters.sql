-- Rosters on their way into the users, a page after the other. What is decided is merged to its end, also after
-- a crash; what is not is dropped.
create table rosters (
    id bigint not null primary key check (id > 0),
    environment text collate "C" not null,
    source text not null,
    actor_kind text not null,
    actor_name text not null,
    begun_at bigint not null,
    moved_at bigint not null,
    is_decided smallint not null check (is_decided in (0, 1)),
    made bigint not null check (made >= 0),
    changed bigint not null check (changed >= 0)
);

create table roster_pages (
    roster_id bigint not null,
    page bigint not null check (page >= 0),
    listed text not null,
    primary key (roster_id, page)
);
