-- To whom an id led before they were merged, the first one first: a list of buckets and keys, as JSON; null for nearly
-- all. An idempotency key of that time is still known to calls with this id.
alter table user_ids add column led_to text;
