#!/usr/bin/env bash
# Behaves like the official postgres image's entrypoint where a user can tell: variables, messages, order of things.
set -Eeo pipefail

# $NAME, or the contents of the file $NAME_FILE names, or a default.
setting() {
	local name="$1" file="${1}_FILE" value="${2:-}"
	if [ "${!name:-}" ] && [ "${!file:-}" ]; then
		echo >&2 "error: both $name and $file are set (but are exclusive)"
		exit 1
	fi
	if [ "${!name:-}" ]; then
		value="${!name}"
	elif [ "${!file:-}" ]; then
		value="$(<"${!file}")"
	fi
	export "$name=$value"
	unset "$file"
}

# As root: the folders belong to postgres, whatever was mounted there.
own_folders() {
	mkdir -p "$PGDATA"
	chmod 00700 "$PGDATA" || :
	mkdir -p /var/run/postgresql
	chmod 03775 /var/run/postgresql || :
	if [ -n "${POSTGRES_INITDB_WALDIR:-}" ]; then
		mkdir -p "$POSTGRES_INITDB_WALDIR"
		find "$POSTGRES_INITDB_WALDIR" \! -user postgres -exec chown postgres '{}' +
		chmod 700 "$POSTGRES_INITDB_WALDIR"
	fi
	find "$PGDATA" \! -user postgres -exec chown postgres '{}' +
	find /var/run/postgresql \! -user postgres -exec chown postgres '{}' +
}

# initdb wants a name for its user, and `docker run --user 1234` has none.
name_the_user() {
	getent passwd "$(id -u)" > /dev/null && return
	local wrapper
	for wrapper in /usr/lib/*/libnss_wrapper.so; do
		NSS_WRAPPER_PASSWD="$(mktemp)"
		NSS_WRAPPER_GROUP="$(mktemp)"
		export LD_PRELOAD="$wrapper" NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
		printf 'postgres:x:%s:%s:PostgreSQL:%s:/bin/false\n' "$(id -u)" "$(id -g)" "$PGDATA" > "$NSS_WRAPPER_PASSWD"
		printf 'postgres:x:%s:\n' "$(id -g)" > "$NSS_WRAPPER_GROUP"
	done
}

forget_the_name() {
	[ "${NSS_WRAPPER_PASSWD:-}" ] || return 0
	rm -f "$NSS_WRAPPER_PASSWD" "$NSS_WRAPPER_GROUP"
	unset LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP
}

sql() {
	local -a command=(psql -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --no-password --no-psqlrc)
	[ -n "$POSTGRES_DB" ] && command+=(--dbname "$POSTGRES_DB")
	PGHOST='' PGHOSTADDR='' "${command[@]}" "$@"
}

run_init_files() {
	local file
	printf '\n'
	for file; do
		case "$file" in
			*.sh)
				if [ -x "$file" ]; then
					printf '%s: running %s\n' "$0" "$file"
					"$file"
				else
					printf '%s: sourcing %s\n' "$0" "$file"
					. "$file"
				fi
				;;
			*.sql) printf '%s: running %s\n' "$0" "$file"; sql -f "$file"; printf '\n' ;;
			*.sql.gz) printf '%s: running %s\n' "$0" "$file"; gunzip -c "$file" | sql; printf '\n' ;;
			*.sql.xz) printf '%s: running %s\n' "$0" "$file"; xzcat "$file" | sql; printf '\n' ;;
			*.sql.zst) printf '%s: running %s\n' "$0" "$file"; zstd -dc "$file" | sql; printf '\n' ;;
			*) printf '%s: ignoring %s\n' "$0" "$file" ;;
		esac
		printf '\n'
	done
}

new_cluster() {
	if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
		cat >&2 <<-'EOE'
			Error: Database is uninitialized and superuser password is not specified.
			       You must specify POSTGRES_PASSWORD to a non-empty value for the
			       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".
		EOE
		exit 1
	fi
	ls /docker-entrypoint-initdb.d/ > /dev/null
	name_the_user
	local -a options=(--username="$POSTGRES_USER" --auth-local=trust --auth-host=scram-sha-256)
	[ -n "${POSTGRES_INITDB_WALDIR:-}" ] && options+=(--waldir "$POSTGRES_INITDB_WALDIR")
	# POSTGRES_INITDB_ARGS is a piece of command line, quotes and all.
	if [ -n "$POSTGRES_PASSWORD" ]; then
		eval 'initdb "${options[@]}" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"
	else
		eval 'initdb --username="$POSTGRES_USER" '"$POSTGRES_INITDB_ARGS"
	fi
	forget_the_name
	: "${POSTGRES_HOST_AUTH_METHOD:=$(postgres -C password_encryption "$@")}"
	printf '\nhost all all all %s\n' "$POSTGRES_HOST_AUTH_METHOD" >> "$PGDATA/pg_hba.conf"

	export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
	# For the set-up only: a server nobody outside can reach.
	local quoted
	quoted="$(printf '%q ' "$@" -c listen_addresses='' -p "${PGPORT:-5432}")"
	NOTIFY_SOCKET='' PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -o "$quoted" -w start
	local exists
	exists="$(POSTGRES_DB='' sql --dbname postgres --set db="$POSTGRES_DB" --tuples-only \
		<<< "SELECT 1 FROM pg_database WHERE datname = :'db';")"
	if [ -z "$exists" ]; then
		POSTGRES_DB='' sql --dbname postgres --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db";'
	fi
	shopt -s nullglob
	run_init_files /docker-entrypoint-initdb.d/*
	PGUSER="${PGUSER:-postgres}" pg_ctl -D "$PGDATA" -m fast -w stop
	unset PGPASSWORD
	printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

only_asks() {
	local argument
	for argument; do
		case "$argument" in
			-'?' | --help | --describe-config | -V | --version) return 0 ;;
		esac
	done
	return 1
}

if [ "${1:0:1}" = '-' ]; then
	set -- postgres "$@"
fi

if [ "$1" = postgres ] && ! only_asks "$@"; then
	if [ "$(id -u)" = 0 ]; then
		own_folders
		exec gosu postgres "${BASH_SOURCE[0]}" "$@"
	fi
	mkdir -p "$PGDATA"
	chmod 00700 "$PGDATA" || :
	setting POSTGRES_PASSWORD
	setting POSTGRES_USER postgres
	setting POSTGRES_DB "$POSTGRES_USER"
	setting POSTGRES_INITDB_ARGS
	: "${POSTGRES_HOST_AUTH_METHOD:=}"
	if [ -s "$PGDATA/PG_VERSION" ]; then
		printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
	else
		new_cluster "${@:2}"
	fi
fi

exec "$@"
