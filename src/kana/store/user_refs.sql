-- Where the data of users is kept.

-- name: load_user_ref
select home_bucket, user_key from user_ids where bucket = $1 and environment = $2 and id = $3;
