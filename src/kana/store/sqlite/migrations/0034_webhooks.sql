-- Addresses to which notifications are sent. What was notified up to `position` is in the deliveries, as far as `types`, a list
-- as JSON, has it; an empty list is all. `secret` signs, and until `previous_secret_ends_at` the one before it does too.
create table webhook_endpoints (
    id integer not null primary key,
    environment text not null,
    url text not null,
    types text not null,
    secret blob not null,
    previous_secret blob,
    previous_secret_ends_at integer,
    created_at integer not null,
    position integer not null,
    disabled_at integer,
    disabled_because text,
    failures integer not null,
    failing_since integer
) strict;

create index webhook_endpoints_of_environment on webhook_endpoints (environment, id);

-- Sending one notification to one endpoint. `lane` is the key of its user, 0 if it is about none: of a lane one after the other is
-- sent. `next_at` is when, and null while it waits for an earlier one of its lane; whoever sends it sets it ahead meanwhile.
create table webhook_deliveries (
    endpoint_id integer not null,
    notification_id integer not null,
    environment text not null,
    lane integer not null,
    type text not null,
    occurred_at integer not null,
    state text not null check (state in ('PENDING', 'DELIVERED', 'FAILED')),
    tries integer not null,
    next_at integer,
    attempts text not null,
    primary key (endpoint_id, notification_id)
) strict;

create index webhook_deliveries_due on webhook_deliveries (endpoint_id, next_at) where state = 'PENDING';
create index webhook_deliveries_in_lanes on webhook_deliveries (endpoint_id, lane, notification_id) where state = 'PENDING';
create index webhook_deliveries_by_state on webhook_deliveries (endpoint_id, state, notification_id);
create index webhook_deliveries_by_age on webhook_deliveries (occurred_at) where state <> 'PENDING';
create index webhook_deliveries_of_user on webhook_deliveries (lane) where lane <> 0;
