-- How often a user's tokens were revoked: a token holds while it carries this number.
alter table users add column token_version integer not null default 0;
