-- Users who were merged into others. `id` leads to the other user from then on; what was stored under their own bucket
-- and key stays there. `details` is who they were, as JSON.
create table merged_users (
    bucket smallint not null check (bucket between 0 and 1023),
    user_key bigint not null,
    environment text collate "C" not null,
    id text collate "C" not null,
    into_bucket smallint not null check (into_bucket between 0 and 1023),
    into_key bigint not null,
    merged_at bigint not null,
    details json not null,
    primary key (bucket, user_key)
);

create index merged_users_by_target on merged_users (into_bucket, into_key);
