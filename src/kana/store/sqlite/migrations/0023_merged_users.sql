-- Users who were merged into others. `id` leads to the other user from then on; what was stored under their own bucket
-- and key stays there. `details` is who they were, as JSON.
create table merged_users (
    bucket integer not null check (bucket between 0 and 1023),
    user_key integer not null,
    environment text not null,
    id text not null,
    into_bucket integer not null check (into_bucket between 0 and 1023),
    into_key integer not null,
    merged_at integer not null,
    details text not null check (json_valid(details)),
    primary key (bucket, user_key)
) strict, without rowid;

create index merged_users_by_target on merged_users (into_bucket, into_key);
