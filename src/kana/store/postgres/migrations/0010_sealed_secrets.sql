-- A secret is 32 bytes, or sealed with a key of the server's and somewhat longer.
alter table kana.signing_secrets drop constraint signing_secrets_secret_check;
alter table kana.signing_secrets add constraint signing_secrets_secret_check
check (length(secret) between 32 and 128);
