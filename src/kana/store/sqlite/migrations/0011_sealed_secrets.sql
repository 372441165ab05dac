-- A secret is 32 bytes, or sealed with a key of the server's and somewhat longer.
alter table signing_secrets rename to plain_secrets;
create table signing_secrets (
    id text not null primary key,
    environment text not null,
    secret blob not null check (length(secret) between 32 and 128),
    created_at integer not null,
    revoked_at integer
) strict, without rowid;
insert into signing_secrets select id, environment, secret, created_at, revoked_at from plain_secrets;
drop table plain_secrets;
