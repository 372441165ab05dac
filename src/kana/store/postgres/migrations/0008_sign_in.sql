-- Who made a link, so that it ends with their right to make one; null where no person did, or nobody knows any more.
alter table invitations add column invited_by text;

-- Failed tries to sign in, by a digest of account, of address, and of both. The wait follows from count and last_at.
drop table sign_in_tries;
create table sign_in_tries (
    key bytea not null primary key check (length(key) = 32),
    tries bigint not null check (tries >= 0),
    last_at bigint not null
);

create index sign_in_tries_by_age on sign_in_tries (last_at);
