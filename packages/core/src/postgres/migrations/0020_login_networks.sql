-- The network that began a login, so that one network cannot take all places of those that are under way. It goes with the login.

alter table logins add column network text check (length(network) between 1 and 64);
create index on logins (network, expires_at);
