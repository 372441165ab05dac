-- What was given to one user: top-ups, which are units on top of what their packages allow, and overrides, which stand
-- in place of it. `units` is a top-up's amount or an override's limit; null is unlimited. `key` is the digest of the
-- caller's idempotency key.
create table given (
    bucket integer not null check (bucket between 0 and 1023),
    user_key integer not null,
    id integer not null check (id > 0),
    environment text not null,
    kind text not null check (kind in ('TOP_UP', 'OVERRIDE')),
    feature_id text not null,
    units integer check (units between 0 and 9007199254740991),
    overage_enabled integer not null check (overage_enabled in (0, 1)),
    reset_period text not null,
    denied integer not null check (denied in (0, 1)),
    started_at integer not null,
    ends_at integer,
    reason text not null,
    actor text not null,
    created_at integer not null,
    key text,
    primary key (bucket, user_key, id)
) strict, without rowid;

create index given_by_id on given (bucket, id);
create unique index given_by_key on given (bucket, user_key, key) where key is not null;
