-- Reading the ledger.

-- fragment: entry(e)
e.bucket, e.user_key, e.id, e.environment, e.feature_id, e.action, e.delta, e.outcome, e.reason, e.change,
    e.subscription_id, e.reset_period, e.period_start, e.used, e.budget, e.overage_enabled, e.key, e.timestamp,
    e.metadata, e.recorded_at, e.postings, e.reverses, e.decision_id, e.line

-- name: load_entry
select {entry(e)} from entries as e where e.bucket = $1 and e.user_key = $2 and e.id = $3;

-- name: load_decision
-- The entries of a decision over several lines ($3), of which there are so many ($4).
select {entry(e)} from entries as e
where e.bucket = $1 and e.user_key = $2 and e.id >= $3 and e.decision_id = $3 order by e.id limit $4;

-- name: search_entries
-- Of a user's newest entries before $3 and from $4 on, at most $5: those of a feature ($6), with one of the outcomes
-- ($7), that happened from $8 on and before $9, if these are given; at most $10. It stops at the last of them.
select {entry(e)} from (
    select {entry(e)} from entries as e
    where e.bucket = $1 and e.user_key = $2 and e.id < $3 and e.id >= $4
    order by e.id desc limit $5
) as e
where ($6::text is null or e.feature_id = $6) and e.outcome = any($7::text[])
    and ($8::bigint is null or coalesce(e.timestamp, e.recorded_at) >= $8)
    and ($9::bigint is null or coalesce(e.timestamp, e.recorded_at) < $9)
order by e.id desc limit $10;

-- name: find_end_of_search
-- The last of the entries that such a search looks at, and the next one, if there are so many.
select e.id from entries as e where e.bucket = $1 and e.user_key = $2 and e.id < $3 and e.id >= $4
order by e.id desc limit 2 offset $5 - 1;

-- name: find_entry_owner
-- A look-up for each user: no index leads from an entry's id to its user, as every record would pay for it.
select u.id from users as u cross join entries as e
where u.environment = $1 and e.bucket = u.bucket and e.user_key = u.user_key and e.id = $2 limit 1;
