#!/bin/sh
# Runs once, when the volume is empty: Temporal's two databases, and a role for Perdura that
# owns a database of its own and cannot enter the others.
set -eu
psql --username "$POSTGRES_USER" --dbname postgres --set ON_ERROR_STOP=1 \
  --set password="$PERDURA_DB_PASSWORD" <<'SQL'
CREATE ROLE perdura LOGIN PASSWORD :'password';
CREATE DATABASE perdura OWNER perdura TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C';
CREATE DATABASE temporal;
CREATE DATABASE temporal_visibility;
REVOKE CONNECT ON DATABASE perdura, temporal, temporal_visibility, postgres FROM PUBLIC;
SQL
