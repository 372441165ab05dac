-- Users who were deleted. What they used stays under their bucket and key, and `id` stands in place of who they were.
-- `texts` is what to look for until every trace of them is cleared: a list of their name, e-mail and billing id, and
-- null from then on.
create table deleted_users (
    bucket smallint not null check (bucket between 0 and 1023),
    user_key bigint not null,
    environment text collate "C" not null,
    id text collate "C" not null,
    deleted_at bigint not null,
    texts json,
    primary key (bucket, user_key)
);

create index deleted_users_unfinished on deleted_users (environment, deleted_at) where texts is not null;

-- The ids that users had before they were renamed, each in its own bucket, and until when. While a user is being
-- deleted their last id is here too, and no new user can take it (`is_leaving`).
create table former_ids (
    bucket smallint not null check (bucket between 0 and 1023),
    environment text collate "C" not null,
    id text collate "C" not null,
    until bigint not null,
    home_bucket smallint not null check (home_bucket between 0 and 1023),
    user_key bigint not null,
    is_leaving smallint not null check (is_leaving in (0, 1)),
    primary key (bucket, environment, id, until)
);

create index former_ids_of_user on former_ids (home_bucket, user_key);
