-- Jobs that move many users to another package. `key` and `digest` tell whether one is begun again; `search` is what
-- its users are listed by, and is forgotten once they are.
create table bulk_changes (
    id integer not null primary key check (id > 0),
    environment text not null,
    key blob,
    digest blob not null,
    from_package_id text,
    search text not null,
    package_id text not null,
    change_time text not null,
    change_usage text not null,
    state text not null,
    actor_kind text not null,
    actor_name text not null,
    back_kind text,
    back_name text,
    begun_at integer not null,
    moved_at integer not null
) strict;

create unique index bulk_changes_by_key on bulk_changes (environment, key) where key is not null;
create index bulk_changes_open on bulk_changes (id) where state in ('LISTING', 'RUNNING', 'TAKING_BACK');

-- Their users, and what has become of each there and back. `number` is the order. Who was not found has minus the
-- number in place of a key, and the id that was given; who was found is named by their key alone.
create table bulk_change_users (
    bucket integer not null check (bucket between 0 and 1023),
    user_key integer not null,
    change_id integer not null,
    number integer not null,
    user_id text,
    outcome text not null,
    reason text,
    old_id integer,
    new_id integer,
    old_ends_at integer,
    back text,
    back_reason text,
    primary key (bucket, user_key, change_id)
) strict, without rowid;

create index bulk_change_users_in_order on bulk_change_users (change_id, number);
create index bulk_change_users_waiting on bulk_change_users (change_id, number) where outcome = 'WAITING';
create index bulk_change_users_changed on bulk_change_users (change_id, number)
    where outcome = 'CHANGED' and back is null;
create index bulk_change_users_not_found on bulk_change_users (bucket, user_id) where user_id is not null;
