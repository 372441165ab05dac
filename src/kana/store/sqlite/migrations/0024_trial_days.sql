-- For how many days a new subscription to the package is a trial; null: it is none.
alter table packages add column trial_days integer check (trial_days between 1 and 365);
