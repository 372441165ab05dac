-- The tables of the SQLite store, fit to be sharded: what a user owns leads every unique index with
-- `bucket`, and nothing here is a sequence or a foreign key. Times are milliseconds since 1970, UTC.
-- Identifiers sort by their bytes, whatever the database's collation. JSON is kept as it was written.

create table workspace (
    one smallint not null primary key check (one = 1),
    name text not null,
    created_at bigint not null
);

create table environments (
    environment text collate "C" not null primary key check (environment in ('test', 'live')),
    app_id text not null,
    requires_secure_mode smallint not null check (requires_secure_mode in (0, 1)),
    catalog_version bigint not null check (catalog_version >= 0)
);

-- A key itself is never kept, only its SHA-256.
create table keys (
    hash bytea not null primary key check (length(hash) = 32),
    environment text collate "C" not null,
    kind text not null check (kind in ('private', 'public')),
    prefix text not null,
    last_four text not null,
    name text not null,
    created_at bigint not null,
    revoked_at bigint
);

create table signing_secrets (
    id text collate "C" not null primary key,
    environment text collate "C" not null,
    secret bytea not null check (length(secret) = 32),
    created_at bigint not null,
    revoked_at bigint
);

-- Who changed what, with the state before and after as JSON. Never updated.
create table admin_log (
    id bigint not null primary key,
    environment text collate "C",
    at bigint not null,
    actor_kind text not null,
    actor_name text not null,
    action text not null,
    subject_kind text not null,
    subject_id text not null,
    before json,
    after json
);

create table features (
    environment text collate "C" not null,
    id text collate "C" not null,
    name text not null,
    type text not null check (type in ('BINARY', 'CONSUMABLE')),
    unit_label text,
    unit_label_plural text,
    metadata json not null,
    created_at bigint not null,
    primary key (environment, id)
);

create table packages (
    environment text collate "C" not null,
    id text collate "C" not null,
    name text not null,
    is_addon smallint not null check (is_addon in (0, 1)),
    status text not null check (status in ('DRAFT', 'PUBLISHED', 'ARCHIVED')),
    base_package_ids json not null,
    prices json not null,
    metadata json not null,
    created_at bigint not null,
    updated_at bigint not null,
    primary key (environment, id)
);

create table package_features (
    environment text collate "C" not null,
    package_id text collate "C" not null,
    position integer not null check (position >= 0),
    feature_id text collate "C" not null,
    name text,
    unit_limit bigint check (unit_limit between 0 and 9007199254740991),
    overage_enabled smallint not null check (overage_enabled in (0, 1)),
    reset_period text not null check (reset_period in ('YEAR', 'MONTH', 'DAY', 'NONE')),
    primary key (environment, package_id, position)
);

create table users (
    bucket smallint not null check (bucket between 0 and 1023),
    user_key bigint not null,
    environment text collate "C" not null,
    id text collate "C" not null,
    billing_id text,
    name text,
    email text,
    metadata json not null,
    created_at bigint not null,
    primary key (bucket, user_key)
);

create index users_by_id on users (environment, id);

-- Where the data of the user with this id is kept. `bucket` follows from the id; `home_bucket`
-- from the id the user was created with, so that nothing moves when a user is renamed.
-- Who decides on a user's account holds the lock of this row.
create table user_ids (
    bucket smallint not null check (bucket between 0 and 1023),
    environment text collate "C" not null,
    id text collate "C" not null,
    home_bucket smallint not null check (home_bucket between 0 and 1023),
    user_key bigint not null,
    primary key (bucket, environment, id)
);

create table subscriptions (
    bucket smallint not null check (bucket between 0 and 1023),
    user_key bigint not null,
    id bigint not null check (id > 0),
    environment text collate "C" not null,
    package_id text collate "C" not null,
    status text not null check (status in (
        'ACTIVE', 'TRIALING', 'CANCELLED', 'PAST_DUE', 'UNPAID', 'INCOMPLETE', 'INCOMPLETE_EXPIRED'
    )),
    started_at bigint not null,
    ends_at bigint,
    primary key (bucket, user_key, id)
);

create index subscriptions_by_id on subscriptions (bucket, id);
create index subscriptions_by_environment on subscriptions (environment, id);
create index subscriptions_by_package on subscriptions (environment, package_id, status, ends_at);

-- The ledger. A line is never updated and holds the answer that was given. A refusal is a
-- line too, with change 0. `key` is the digest of the caller's idempotency key.
create table entries (
    bucket smallint not null check (bucket between 0 and 1023),
    user_key bigint not null,
    id bigint not null check (id > 0),
    environment text collate "C" not null,
    feature_id text collate "C" not null,
    action text not null check (action in ('ADD', 'SET')),
    delta bigint not null,
    outcome text not null,
    reason text,
    change bigint not null,
    subscription_id bigint,
    reset_period text collate "C" check (reset_period in ('YEAR', 'MONTH', 'DAY', 'NONE')),
    period_start bigint,
    used bigint check (used between 0 and 9007199254740991),
    budget bigint,
    overage_enabled smallint check (overage_enabled in (0, 1)),
    key bytea,
    timestamp bigint,
    metadata json,
    recorded_at bigint not null,
    primary key (bucket, user_key, id),
    check (outcome = 'RECORDED' or change = 0),
    check (outcome <> 'RECORDED' or subscription_id is not null)
);

create unique index entries_by_key on entries (bucket, key, user_key) where key is not null;

-- Totals, derived from the ledger: used = sum(change) of the lines with this key. Half of each
-- page stays free, so that a total that grows finds room for its new version beside the old one.
create table counters (
    bucket smallint not null check (bucket between 0 and 1023),
    subscription_id bigint not null,
    feature_id text collate "C" not null,
    reset_period text collate "C" not null check (reset_period in ('YEAR', 'MONTH', 'DAY', 'NONE')),
    period_start bigint not null,
    used bigint not null check (used between 0 and 9007199254740991),
    primary key (bucket, subscription_id, feature_id, reset_period, period_start)
) with (fillfactor = 50);
