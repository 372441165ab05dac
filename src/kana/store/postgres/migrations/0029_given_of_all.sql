-- Who was given something that may still hold.
create index given_by_end on given (environment, ends_at);
