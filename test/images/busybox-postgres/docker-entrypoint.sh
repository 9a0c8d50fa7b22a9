#!/bin/sh
# The full image's entrypoint in what busybox's shell can do; it runs as postgres from the start.
set -e

# $NAME, or the contents of the file $NAME_FILE names, or a default.
setting() {
	eval "value=\${$1:-} file=\${$1_FILE:-}"
	if [ -z "$value" ] && [ -n "$file" ]; then
		value=$(cat "$file")
	fi
	eval "$1=\${value:-\$2}"
	export "$1"
	unset "$1_FILE"
}

case "$1" in -*) set -- postgres "$@" ;; esac

if [ "$1" = postgres ] && [ ! -s "$PGDATA/PG_VERSION" ]; then
	setting POSTGRES_PASSWORD ''
	setting POSTGRES_USER postgres
	setting POSTGRES_DB "$POSTGRES_USER"
	setting POSTGRES_INITDB_ARGS ''
	if [ -z "$POSTGRES_PASSWORD" ]; then
		echo >&2 'Error: Database is uninitialized and superuser password is not specified.'
		exit 1
	fi
	mkdir -p "$PGDATA"
	chmod 700 "$PGDATA"
	secret=$(mktemp)
	printf '%s\n' "$POSTGRES_PASSWORD" > "$secret"
	eval 'initdb --username="$POSTGRES_USER" --pwfile="$secret" --auth-local=trust --auth-host=scram-sha-256 '"$POSTGRES_INITDB_ARGS"
	rm "$secret"
	printf '\nhost all all all scram-sha-256\n' >> "$PGDATA/pg_hba.conf"
	pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
	if [ "$POSTGRES_DB" != postgres ]; then
		printf 'CREATE DATABASE :"db";\n' \
			| psql --no-psqlrc -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres --set db="$POSTGRES_DB"
	fi
	pg_ctl -D "$PGDATA" -m fast -w stop
	printf '\nPostgreSQL init process complete; ready for start up.\n\n'
fi

exec "$@"
