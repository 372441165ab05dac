-- Changes of a catalogue that are too large for one transaction, on their way: version 0 until they are decided.
create table catalog_changes (
    id bigint not null primary key,
    environment text collate "C" not null,
    begun_at bigint not null,
    version bigint not null check (version >= 0)
);

-- What of them is not merged into the tables yet: the rows of one statement, as JSON.
create table catalog_pages (
    change_id bigint not null,
    page integer not null check (page >= 0),
    statement text not null,
    listed text not null,
    primary key (change_id, page)
);

-- The lines of a change are shown when it is decided.
alter table admin_log add column change_id bigint;
create index admin_log_by_change on admin_log (change_id) where change_id is not null;
