-- Reading the ledger.

-- fragment: entry(e)
e.bucket, e.user_key, e.id, e.environment, e.feature_id, e.action, e.delta, e.outcome, e.reason, e.change,
    e.subscription_id, e.reset_period, e.period_start, e.used, e.budget, e.overage_enabled, e.key, e.timestamp,
    e.metadata, e.recorded_at, e.postings

-- name: list_entries
select {entry(e)} from entries as e where e.bucket = $1 and e.user_key = $2 and e.id < $3 order by e.id desc limit $4;
