-- Addresses to which notifications are sent. What was notified up to `position` is in the deliveries, as far as `types`, a list
-- as JSON, has it; an empty list is all. `secret` signs, and until `previous_secret_ends_at` the one before it does too.
create table webhook_endpoints (
    id bigint not null primary key,
    environment text collate "C" not null,
    url text collate "C" not null,
    types text collate "C" not null,
    secret bytea not null,
    previous_secret bytea,
    previous_secret_ends_at bigint,
    created_at bigint not null,
    position bigint not null,
    disabled_at bigint,
    disabled_because text collate "C",
    failures integer not null,
    failing_since bigint
);

create index webhook_endpoints_of_environment on webhook_endpoints (environment, id);

-- Sending one notification to one endpoint. `lane` is the key of its user, 0 if it is about none: of a lane one after the other is
-- sent. `next_at` is when, and null while it waits for an earlier one of its lane; whoever sends it sets it ahead meanwhile.
create table webhook_deliveries (
    endpoint_id bigint not null,
    notification_id bigint not null,
    environment text collate "C" not null,
    lane bigint not null,
    type text collate "C" not null,
    occurred_at bigint not null,
    state text collate "C" not null check (state in ('PENDING', 'DELIVERED', 'FAILED')),
    tries integer not null,
    next_at bigint,
    attempts text collate "C" not null,
    primary key (endpoint_id, notification_id)
);

create index webhook_deliveries_due on webhook_deliveries (endpoint_id, next_at) where state = 'PENDING';
create index webhook_deliveries_in_lanes on webhook_deliveries (endpoint_id, lane, notification_id) where state = 'PENDING';
create index webhook_deliveries_by_state on webhook_deliveries (endpoint_id, state, notification_id);
create index webhook_deliveries_by_age on webhook_deliveries (occurred_at) where state <> 'PENDING';
create index webhook_deliveries_of_user on webhook_deliveries (lane) where lane <> 0;
