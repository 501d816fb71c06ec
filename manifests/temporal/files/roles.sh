#!/bin/sh
# Run once by the image of PostgreSQL, when its data directory is new: Temporal gets a role that owns its own databases
# and nothing else.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set password="$TEMPORAL_PASSWORD" \
  --username "$POSTGRES_USER" --dbname postgres <<'SQL'
CREATE ROLE temporal LOGIN CREATEDB PASSWORD :'password';
SQL
