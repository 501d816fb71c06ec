#!/bin/sh
# Both databases and their schemas, as new as this version of Temporal has them. What is there already is left alone, so
# this may be run again at any time.
set -eu

sql() {
  temporal-sql-tool --plugin "$DB" --endpoint "$POSTGRES_SEEDS" --port "$DB_PORT" --user "$POSTGRES_USER" \
    --database "$database" "$@"
}

for pair in "$DBNAME temporal" "$VISIBILITY_DBNAME visibility"; do
  database=${pair% *}
  sql create-database
  sql setup-schema --version 0.0
  sql update-schema --schema-name "postgresql/v12/${pair#* }"
done
