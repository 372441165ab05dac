-- People who sign in to the dashboard. Few, and not in any environment.
create table people (
    email text not null primary key,
    role text not null check (role in ('viewer', 'editor', 'owner')),
    password_hash text,
    created_at integer not null,
    disabled_at integer
) strict, without rowid;

-- Browsers that are signed in. Only the hash of a session's id is here.
create table sessions (
    hash blob not null primary key check (length(hash) = 32),
    email text not null,
    started_at integer not null,
    seen_at integer not null
) strict, without rowid;

create index sessions_by_email on sessions (email);

-- Links that let somebody choose a password, once. Without an address: the first owner.
create table invitations (
    hash blob not null primary key check (length(hash) = 32),
    email text,
    role text not null check (role in ('viewer', 'editor', 'owner')),
    expires_at integer not null
) strict, without rowid;

-- How often it was tried to sign in, by a digest of account and address.
create table sign_in_tries (
    key blob not null primary key,
    first_at integer not null,
    tries integer not null
) strict, without rowid;
