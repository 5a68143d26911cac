#!/bin/bash
# One database and one role for each of our services; neither can see the other's.
set -euo pipefail
for name in melancia mlflow; do
  password=$(cat "/run/secrets-postgres/$name")
  psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres -v name="$name" -v password="$password" <<'SQL'
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name" TEMPLATE template0 ENCODING 'UTF8';
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
done
