-- People who sign in to the dashboard. Few, and not in any environment.
create table people (
    email text collate "C" not null primary key,
    role text not null check (role in ('viewer', 'editor', 'owner')),
    password_hash text,
    created_at bigint not null,
    disabled_at bigint
);

-- Browsers that are signed in. Only the hash of a session's id is here.
create table sessions (
    hash bytea not null primary key check (length(hash) = 32),
    email text not null,
    started_at bigint not null,
    seen_at bigint not null
);

create index sessions_by_email on sessions (email);

-- Links that let somebody choose a password, once. Without an address: the first owner.
create table invitations (
    hash bytea not null primary key check (length(hash) = 32),
    email text,
    role text not null check (role in ('viewer', 'editor', 'owner')),
    expires_at bigint not null
);

-- How often it was tried to sign in, by a digest of account and address.
create table sign_in_tries (
    key bytea not null primary key,
    first_at bigint not null,
    tries bigint not null
);
