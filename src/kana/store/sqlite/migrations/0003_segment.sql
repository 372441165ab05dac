-- What Segment sent, each message once and as it came. A message is kept in the bucket of its user's id,
-- so that it lies beside their data, or of its own id where it names nobody. `id` grows in order of arrival.
create table segment_events (
    bucket integer not null check (bucket between 0 and 1023),
    environment text not null,
    message_id text not null,
    id integer not null check (id > 0),
    type text not null check (type in ('identify', 'track', 'page', 'screen', 'group', 'alias')),
    user_id text,
    event text,
    status text not null check (status in (
        'PENDING', 'UNMAPPED', 'WAITING', 'RECORDED', 'REFUSED', 'IDENTIFIED', 'IGNORED', 'FAILED'
    )),
    reason text,
    feature_id text,
    rule_id text,
    delta integer not null,
    happened_at integer not null,
    received_at integer not null,
    raw text not null,
    primary key (bucket, environment, message_id)
) strict, without rowid;

create index segment_events_by_id on segment_events (environment, id);
create index segment_events_by_status on segment_events (environment, status, id);
create index segment_events_unmapped on segment_events (environment, event) where status = 'UNMAPPED';
create index segment_events_waiting on segment_events (bucket, environment, user_id) where status = 'WAITING';

-- Which events are usage of which feature. `is_replayed` says that events from before the rule's last change
-- have been held against it.
create table segment_rules (
    environment text not null,
    id text not null,
    name text not null,
    event_name text,
    conditions text not null check (json_valid(conditions)),
    feature_id text not null,
    revision integer not null check (revision > 0),
    is_replayed integer not null check (is_replayed in (0, 1)),
    created_at integer not null,
    updated_at integer not null,
    primary key (environment, id)
) strict, without rowid;

-- Who came from the billing provider and may be given an id.
create index users_by_billed_email on users (environment, email, created_at) where billing_id is not null;
