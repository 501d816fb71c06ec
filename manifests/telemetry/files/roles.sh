#!/bin/sh
# Runs once, when the data directory is made: the database, its owner, who may not do more, and a reader for dashboards.
set -eu
psql --set=ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --dbname postgres \
  --set=telemetry="$TELEMETRY_PASSWORD" --set=grafana="$GRAFANA_PASSWORD" <<'SQL'
CREATE ROLE telemetry LOGIN PASSWORD :'telemetry' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
CREATE ROLE grafana LOGIN PASSWORD :'grafana' NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION;
ALTER ROLE grafana SET default_transaction_read_only = on;
ALTER ROLE grafana SET statement_timeout = '30s';
CREATE DATABASE telemetry OWNER telemetry;
REVOKE CONNECT, TEMPORARY ON DATABASE telemetry FROM PUBLIC;
GRANT CONNECT ON DATABASE telemetry TO grafana;
\connect telemetry
ALTER DEFAULT PRIVILEGES FOR ROLE telemetry GRANT SELECT ON TABLES TO grafana;
SELECT 'CREATE EXTENSION timescaledb' FROM pg_available_extensions WHERE name = 'timescaledb' \gexec
SQL
