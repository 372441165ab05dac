-- Notifications of what has happened. `position` is given after it is committed, by those who read, so that positions grow in the
-- order in which they can be read. `user_key` is null if it is about no user. The ids of one user grow as they are written.
create table notifications (
    bucket smallint not null check (bucket between 0 and 1023),
    id bigint not null,
    user_key bigint,
    environment text collate "C" not null,
    type text collate "C" not null,
    occurred_at bigint not null,
    about json not null,
    position bigint,
    primary key (bucket, id)
);

create index notifications_unplaced on notifications (environment, id) where position is null;
create index notifications_in_order on notifications (environment, position) where position is not null;
create index notifications_by_age on notifications (occurred_at) where position is not null;
create index notifications_of_user on notifications (bucket, user_key, id);

-- Of what there is only one notification, as of a threshold in one period.
create table notified_once (
    bucket smallint not null check (bucket between 0 and 1023),
    once text collate "C" not null,
    environment text collate "C" not null,
    primary key (bucket, once)
);

-- The last position that was given, and until when it was looked for what happens without a call.
create table notification_positions (
    environment text collate "C" not null primary key,
    last bigint not null,
    looked_until bigint
);

create index subscriptions_ending on subscriptions (ends_at) where ends_at is not null;
create index subscriptions_starting on subscriptions (started_at) where scheduled = 1;
create index trials_ending on subscriptions (trial_ends_at) where trial_ends_at is not null;
create index top_ups_ending on given (ends_at) where kind = 'TOP_UP' and ends_at is not null;
create index reservations_ending on reservations (ends_at) where closed_as is null;
