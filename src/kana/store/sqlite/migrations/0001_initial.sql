-- What a user owns leads its primary key with `bucket`, so that the same tables can be
-- sharded by it elsewhere. Times are milliseconds since 1970, UTC. Enumerations are the
-- words of the model. Environments never meet: each row says which it belongs to.

create table workspace (
    one integer not null primary key check (one = 1),
    name text not null,
    created_at integer not null
) strict;

create table environments (
    environment text not null primary key check (environment in ('test', 'live')),
    app_id text not null,
    requires_secure_mode integer not null check (requires_secure_mode in (0, 1)),
    catalog_version integer not null check (catalog_version >= 0)
) strict, without rowid;

-- A key itself is never kept, only its SHA-256.
create table keys (
    hash blob not null primary key check (length(hash) = 32),
    environment text not null,
    kind text not null check (kind in ('private', 'public')),
    prefix text not null,
    last_four text not null,
    name text not null,
    created_at integer not null,
    revoked_at integer
) strict, without rowid;

create table signing_secrets (
    id text not null primary key,
    environment text not null,
    secret blob not null check (length(secret) = 32),
    created_at integer not null,
    revoked_at integer
) strict, without rowid;

-- Who changed what, with the state before and after as JSON. Never updated.
create table admin_log (
    id integer not null primary key,
    environment text,
    at integer not null,
    actor_kind text not null,
    actor_name text not null,
    action text not null,
    subject_kind text not null,
    subject_id text not null,
    before text check (json_valid(before)),
    after text check (json_valid(after))
) strict;

create table features (
    environment text not null,
    id text not null,
    name text not null,
    type text not null check (type in ('BINARY', 'CONSUMABLE')),
    unit_label text,
    unit_label_plural text,
    metadata text not null check (json_valid(metadata)),
    created_at integer not null,
    primary key (environment, id)
) strict, without rowid;

create table packages (
    environment text not null,
    id text not null,
    name text not null,
    is_addon integer not null check (is_addon in (0, 1)),
    status text not null check (status in ('DRAFT', 'PUBLISHED', 'ARCHIVED')),
    base_package_ids text not null check (json_valid(base_package_ids)),
    prices text not null check (json_valid(prices)),
    metadata text not null check (json_valid(metadata)),
    created_at integer not null,
    updated_at integer not null,
    primary key (environment, id)
) strict, without rowid;

create table package_features (
    environment text not null,
    package_id text not null,
    position integer not null check (position >= 0),
    feature_id text not null,
    name text,
    unit_limit integer check (unit_limit between 0 and 9007199254740991),
    overage_enabled integer not null check (overage_enabled in (0, 1)),
    reset_period text not null check (reset_period in ('YEAR', 'MONTH', 'DAY', 'NONE')),
    primary key (environment, package_id, position)
) strict, without rowid;

create table users (
    bucket integer not null check (bucket between 0 and 1023),
    user_key integer not null,
    environment text not null,
    id text not null,
    billing_id text,
    name text,
    email text,
    metadata text not null check (json_valid(metadata)),
    created_at integer not null,
    primary key (bucket, user_key)
) strict, without rowid;

create index users_by_id on users (environment, id);

-- Where the data of the user with this id is kept. `bucket` follows from the id; `home_bucket`
-- from the id the user was created with, so that nothing moves when a user is renamed.
create table user_ids (
    bucket integer not null check (bucket between 0 and 1023),
    environment text not null,
    id text not null,
    home_bucket integer not null check (home_bucket between 0 and 1023),
    user_key integer not null,
    primary key (bucket, environment, id)
) strict, without rowid;

create table subscriptions (
    bucket integer not null check (bucket between 0 and 1023),
    user_key integer not null,
    id integer not null check (id > 0),
    environment text not null,
    package_id text not null,
    status text not null check (status in (
        'ACTIVE', 'TRIALING', 'CANCELLED', 'PAST_DUE', 'UNPAID', 'INCOMPLETE', 'INCOMPLETE_EXPIRED'
    )),
    started_at integer not null,
    ends_at integer,
    primary key (bucket, user_key, id)
) strict, without rowid;

create index subscriptions_by_id on subscriptions (bucket, id);
create index subscriptions_by_environment on subscriptions (environment, id);
create index subscriptions_by_package on subscriptions (environment, package_id, status, ends_at);

-- The ledger. A line is never updated and holds the answer that was given. A refusal is a
-- line too, with change 0. `key` is the digest of the caller's idempotency key.
create table entries (
    bucket integer not null check (bucket between 0 and 1023),
    user_key integer not null,
    id integer not null check (id > 0),
    environment text not null,
    feature_id text not null,
    action text not null check (action in ('ADD', 'SET')),
    delta integer not null,
    outcome text not null,
    reason text,
    change integer not null,
    subscription_id integer,
    reset_period text check (reset_period in ('YEAR', 'MONTH', 'DAY', 'NONE')),
    period_start integer,
    used integer check (used between 0 and 9007199254740991),
    budget integer,
    overage_enabled integer check (overage_enabled in (0, 1)),
    key blob,
    timestamp integer,
    metadata text check (json_valid(metadata)),
    recorded_at integer not null,
    primary key (bucket, user_key, id),
    check (outcome = 'RECORDED' or change = 0),
    check (outcome <> 'RECORDED' or subscription_id is not null)
) strict, without rowid;

create unique index entries_by_key on entries (bucket, user_key, key) where key is not null;

-- Totals, derived from the ledger: used = sum(change) of the lines with this key.
create table counters (
    bucket integer not null check (bucket between 0 and 1023),
    subscription_id integer not null,
    feature_id text not null,
    reset_period text not null check (reset_period in ('YEAR', 'MONTH', 'DAY', 'NONE')),
    period_start integer not null,
    used integer not null check (used between 0 and 9007199254740991),
    primary key (bucket, subscription_id, feature_id, reset_period, period_start)
) strict, without rowid;
