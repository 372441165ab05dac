-- Webhooks: endpoints, and the deliveries of notifications to them.

-- fragment: endpoint(e)
e.environment, e.id, e.url, e.types, e.created_at, e.position, e.disabled_at, e.disabled_because,
    e.failures, e.failing_since, e.previous_secret_ends_at

-- fragment: delivery(d)
d.endpoint_id, d.notification_id, d.type, d.occurred_at, d.state, d.tries, d.next_at, d.attempts

-- name: list_endpoints
select {endpoint(e)} from webhook_endpoints as e where e.environment = $1 order by e.id;

-- name: find_endpoint
select {endpoint(e)} from webhook_endpoints as e where e.environment = $1 and e.id = $2;

-- name: lock_endpoint
-- Deliveries of an endpoint are added and settled under this lock, so that none waits for one that is settled already.
select {endpoint(e)} from webhook_endpoints as e where e.environment = $1 and e.id = $2 for update;

-- name: add_endpoint
insert into webhook_endpoints (
    environment, id, url, types, created_at, position, disabled_at, disabled_because, failures, failing_since, secret
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- name: change_endpoint
update webhook_endpoints
set url = $3, types = $4, created_at = $5, position = $6, disabled_at = $7, disabled_because = $8, failures = $9,
    failing_since = $10
where environment = $1 and id = $2;

-- name: rotate_endpoint
update webhook_endpoints set previous_secret = secret, secret = $2, previous_secret_ends_at = $3 where id = $1;

-- name: delete_endpoint
delete from webhook_endpoints where id = $1;

-- name: load_endpoint_secrets
select e.id, e.environment, e.secret, e.previous_secret from webhook_endpoints as e order by e.id;

-- name: load_secrets_of_endpoint
select e.id, e.environment, e.secret, e.previous_secret from webhook_endpoints as e where e.id = $1;

-- name: seal_endpoint
-- The same secrets, sealed again.
update webhook_endpoints set secret = $2, previous_secret = $3 where id = $1;

-- name: first_position_since
-- The first notification that happened at $2 or later.
select min(position) from notifications where environment = $1 and occurred_at >= $2 and position is not null;

-- name: list_to_deliver
select position, coalesce(user_key, 0), type, occurred_at from notifications
where environment = $1 and position > $2 order by position limit $3;

-- name: count_pending
-- Counts up to the limit.
select count(*) from (
    select 1 from webhook_deliveries where endpoint_id = $1 and state = 'PENDING' limit $2
) as pending;

-- name: add_delivery
-- One that was settled is sent again.
insert into webhook_deliveries (
    endpoint_id, notification_id, environment, lane, type, occurred_at, state, tries, next_at, attempts
) values ($1, $2, $3, $4, $5, $6, 'PENDING', 0, null, '[]')
on conflict (endpoint_id, notification_id) do update set state = 'PENDING', tries = 0
where webhook_deliveries.state <> 'PENDING';

-- name: open_lane
-- The first one that is pending in a lane is sent at $3, unless it has a time.
update webhook_deliveries set next_at = $3
where endpoint_id = $1 and state = 'PENDING' and next_at is null and notification_id = (
    select min(d.notification_id) from webhook_deliveries as d
    where d.endpoint_id = $1 and d.lane = $2 and d.state = 'PENDING'
);

-- name: open_lanes
-- The same in every lane.
update webhook_deliveries set next_at = $2
where endpoint_id = $1 and state = 'PENDING' and next_at is null and not exists (
    select 1 from webhook_deliveries as d
    where d.endpoint_id = $1 and d.lane = webhook_deliveries.lane and d.state = 'PENDING'
        and d.notification_id < webhook_deliveries.notification_id
);

-- name: has_due
select 1 from webhook_deliveries where endpoint_id = $1 and state = 'PENDING' and next_at <= $2 limit 1;

-- name: list_due
-- Those to send by $2, with their notifications, as far as these are still there.
select {delivery(d)}, d.lane, {notification(n)}
from webhook_deliveries as d
left join notifications as n on n.environment = d.environment and n.position = d.notification_id
{user_of_notification(n)}
where d.endpoint_id = $1 and d.state = 'PENDING' and d.next_at <= $2 order by d.next_at, d.notification_id limit $3;

-- name: claim_delivery
update webhook_deliveries set next_at = $3 where endpoint_id = $1 and notification_id = $2;

-- name: find_delivery
select {delivery(d)}, d.lane from webhook_deliveries as d where d.endpoint_id = $1 and d.notification_id = $2;

-- name: change_delivery
update webhook_deliveries set state = $3, tries = $4, next_at = $5, attempts = $6
where endpoint_id = $1 and notification_id = $2;

-- name: clear_answers
-- What receivers answered to what is about one user: it may repeat who they are.
update webhook_deliveries set attempts = '[]' where lane = $1 and lane <> 0 and attempts <> '[]';

-- name: list_deliveries
-- The newest first, before $2.
select {delivery(d)} from webhook_deliveries as d
where d.endpoint_id = $1 and d.notification_id < $2 order by d.notification_id desc limit $3;

-- name: list_deliveries_in_state
select {delivery(d)} from webhook_deliveries as d
where d.endpoint_id = $1 and d.notification_id < $2 and d.state = $4 order by d.notification_id desc limit $3;

-- name: delete_delivery
delete from webhook_deliveries where endpoint_id = $1 and notification_id = $2;

-- name: delete_pending
delete from webhook_deliveries where endpoint_id = $1 and state = 'PENDING';

-- name: has_old_deliveries
select 1 from webhook_deliveries where state <> 'PENDING' and occurred_at < $1 limit 1;

-- name: delete_deliveries
-- Settled ones of what happened before $1, the oldest first.
delete from webhook_deliveries where (endpoint_id, notification_id) in (
    select d.endpoint_id, d.notification_id from webhook_deliveries as d
    where d.state <> 'PENDING' and d.occurred_at < $1 order by d.occurred_at limit $2
);
