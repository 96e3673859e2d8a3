#!/bin/sh
# Brings Temporal's tables to the version of this image. Each step leaves alone what is there
# already, so it runs at every start. The password is in SQL_PASSWORD.
set -eu
update() {
  tool="temporal-sql-tool --plugin postgres12 --ep postgres -p 5432 -u temporal --db $1"
  $tool setup-schema -v 0.0
  $tool update-schema -d "/etc/temporal/schema/postgresql/v12/$2/versioned"
}
update temporal temporal
update temporal_visibility visibility
