-- What was given to one user: top-ups, which are units on top of what their packages allow, and overrides, which stand
-- in place of it. `units` is a top-up's amount or an override's limit; null is unlimited. `key` is the digest of the
-- caller's idempotency key.
create table given (
    bucket smallint not null check (bucket between 0 and 1023),
    user_key bigint not null,
    id bigint not null check (id > 0),
    environment text collate "C" not null,
    kind text not null check (kind in ('TOP_UP', 'OVERRIDE')),
    feature_id text collate "C" not null,
    units bigint check (units between 0 and 9007199254740991),
    overage_enabled smallint not null check (overage_enabled in (0, 1)),
    reset_period text collate "C" not null,
    denied smallint not null check (denied in (0, 1)),
    started_at bigint not null,
    ends_at bigint,
    reason text not null,
    actor text not null,
    created_at bigint not null,
    key text,
    primary key (bucket, user_key, id)
);

create index given_by_id on given (bucket, id);
create unique index given_by_key on given (bucket, user_key, key) where key is not null;
