-- All rules that a CI job met. Its token has the scopes of each of them, so it ends with the first of them that is removed.
--
--   exchange_rules → exchanges, publishers   append-only

create table exchange_rules (
  exchange uuid not null references exchanges,
  publisher uuid not null references publishers,
  primary key (exchange, publisher)
);
create trigger no_rewrite before update or delete or truncate on exchange_rules
  for each statement execute function refuse_rewrite();
