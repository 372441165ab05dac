-- Reading the ledger.

-- fragment: entry(e)
e.bucket, e.user_key, e.id, e.environment, e.feature_id, e.action, e.delta, e.outcome, e.reason, e.change,
    e.subscription_id, e.reset_period, e.period_start, e.used, e.budget, e.overage_enabled, e.key, e.timestamp,
    e.metadata, e.recorded_at, e.postings, e.reverses

-- name: list_entries
select {entry(e)} from entries as e where e.bucket = $1 and e.user_key = $2 and e.id < $3 order by e.id desc limit $4;

-- name: load_entry
select {entry(e)} from entries as e where e.bucket = $1 and e.user_key = $2 and e.id = $3;

-- name: find_entry_owner
-- A look-up for each user: no index leads from an entry's id to its user, as every record would pay for it.
select u.id from users as u cross join entries as e
where u.environment = $1 and e.bucket = u.bucket and e.user_key = u.user_key and e.id = $2 limit 1;
