#!/bin/sh
# Runs once, when the database is made: the role of the daemon, which `osad migrate` gives its rights.
set -eu
password=$(cat /run/secrets/app-password)
psql --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" --set ON_ERROR_STOP=1 --set password="$password" <<'SQL'
create role osa_app login password :'password';
SQL
