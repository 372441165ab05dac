-- Several features in one decision: its id is that of its first line. `line` is which it is: how many lines there are,
-- what it does to what is set aside, the reservation, the feature that costs these units.
alter table entries add column decision_id bigint;
alter table entries add column line json;

-- What users have set aside. `lines` says of which features, and of which counters how much is left; `closed_as` is null
-- until it is settled, released, or found to have ended. The counters of what is set aside are rows of `counters`, whose
-- reset period begins with HELD_.
create table reservations (
    bucket smallint not null check (bucket between 0 and 1023),
    id bigint not null check (id > 0),
    user_key bigint not null,
    environment text collate "C" not null,
    lines json not null,
    created_at bigint not null,
    ends_at bigint not null,
    closed_as text collate "C",
    closed_at bigint,
    primary key (bucket, id)
);

create index reservations_open on reservations (bucket, user_key, ends_at) where closed_as is null;
create index reservations_of_user on reservations (bucket, user_key, id);
