-- Users who were deleted. What they used stays under their bucket and key, and `id` stands in place of who they were.
-- `texts` is what to look for until every trace of them is cleared: a list of their name, e-mail and billing id, and
-- null from then on.
create table deleted_users (
    bucket integer not null check (bucket between 0 and 1023),
    user_key integer not null,
    environment text not null,
    id text not null,
    deleted_at integer not null,
    texts text check (json_valid(texts)),
    primary key (bucket, user_key)
) strict, without rowid;

create index deleted_users_unfinished on deleted_users (environment, deleted_at) where texts is not null;

-- The ids that users had before they were renamed, each in its own bucket, and until when. While a user is being
-- deleted their last id is here too, and no new user can take it (`is_leaving`).
create table former_ids (
    bucket integer not null check (bucket between 0 and 1023),
    environment text not null,
    id text not null,
    until integer not null,
    home_bucket integer not null check (home_bucket between 0 and 1023),
    user_key integer not null,
    is_leaving integer not null check (is_leaving in (0, 1)),
    primary key (bucket, environment, id, until)
) strict, without rowid;

create index former_ids_of_user on former_ids (home_bucket, user_key);
