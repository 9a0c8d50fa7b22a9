#!/usr/bin/env bash
# Behaves like the official mariadb image's entrypoint where a user can tell: variables, messages, order of things.
set -eo pipefail

note() {
	printf '%s [Note] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*"
}

fail() {
	printf '%s [ERROR] [Entrypoint]: %s\n' "$(date --rfc-3339=seconds)" "$*" >&2
	exit 1
}

# MARIADB_X, else what the file MARIADB_X_FILE names holds, else the same under the old name MYSQL_X.
setting() {
	local part="$1" prefix name file
	for prefix in MARIADB MYSQL; do
		name="${prefix}_$part"
		file="${name}_FILE"
		if [ "${!name:-}" ] && [ "${!file:-}" ]; then
			fail "Both $name and $file are set (but are exclusive)"
		fi
		if [ "${!file:-}" ]; then
			export "$name=$(<"${!file}")"
		fi
		unset "$file"
		if [ -z "${!part:-}" ] && [ "${!name:-}" ]; then
			printf -v "$part" '%s' "${!name}"
		fi
	done
	return 0
}

# A string as SQL writes it.
quoted() {
	local text="${1//\\/\\\\}"
	printf "'%s'" "${text//\'/\'\'}"
}

sql() {
	MYSQL_PWD="$ROOT_PASSWORD" mariadb --protocol=socket -uroot -hlocalhost --socket="$SOCKET" --comments "$@"
}

run_init_files() {
	local file
	echo
	for file; do
		case "$file" in
			*.sh)
				note "running $file"
				if [ -x "$file" ]; then "$file"; else . "$file"; fi
				;;
			*.sql) note "running $file"; sql --database="$DATABASE" < "$file" ;;
			*.sql.gz) note "running $file"; gunzip -c "$file" | sql --database="$DATABASE" ;;
			*.sql.xz) note "running $file"; xzcat "$file" | sql --database="$DATABASE" ;;
			*.sql.zst) note "running $file"; zstd -dc "$file" | sql --database="$DATABASE" ;;
			*) note "ignoring $file" ;;
		esac
	done
}

new_database() {
	if [ -z "$ROOT_PASSWORD" ] && [ -z "$ALLOW_EMPTY_ROOT_PASSWORD" ] && [ -z "$RANDOM_ROOT_PASSWORD" ]; then
		fail 'Database is uninitialized and password option is not specified
	You need to specify one of MARIADB_ROOT_PASSWORD, MARIADB_ALLOW_EMPTY_ROOT_PASSWORD and MARIADB_RANDOM_ROOT_PASSWORD'
	fi
	note 'Initializing database files'
	mariadb-install-db --datadir="$DATADIR" --auth-root-authentication-method=normal --skip-test-db \
		--default-time-zone=SYSTEM --enforce-storage-engine= --skip-log-bin --expire-logs-days=0 \
		--loose-innodb_buffer_pool_load_at_startup=0 --loose-innodb_buffer_pool_dump_at_shutdown=0
	note 'Database files initialized'

	note 'Starting temporary server'
	"$@" --skip-networking --default-time-zone=SYSTEM --socket="$SOCKET" --skip-log-bin &
	local server=$! tries
	for tries in $(seq 60 -1 0); do
		if ROOT_PASSWORD='' sql --database=mysql <<< 'SELECT 1' > /dev/null 2>&1; then break; fi
		kill -0 "$server" 2> /dev/null || fail 'The temporary server ended.'
		sleep 0.5
	done
	[ "$tries" != 0 ] || fail 'Unable to start server.'
	note 'Temporary server started.'

	if [ -n "$RANDOM_ROOT_PASSWORD" ]; then
		ROOT_PASSWORD="$(pwgen --numerals --capitalize --symbols --remove-chars="'\\" -1 32)"
		note "GENERATED ROOT PASSWORD: $ROOT_PASSWORD"
	fi
	local password root_host=''
	password="$(quoted "$ROOT_PASSWORD")"
	if [ "$ROOT_HOST" != localhost ]; then
		root_host="CREATE USER 'root'@$(quoted "$ROOT_HOST") IDENTIFIED BY $password;
			GRANT ALL ON *.* TO 'root'@$(quoted "$ROOT_HOST") WITH GRANT OPTION;"
	fi
	note "Securing system users (equivalent to running mysql_secure_installation)"
	ROOT_PASSWORD='' sql --database=mysql --binary-mode <<-EOSQL
		SET @@SESSION.SQL_MODE=REPLACE(@@SESSION.SQL_MODE, 'NO_BACKSLASH_ESCAPES', '');
		DELETE FROM global_priv WHERE User = '' OR (User = 'root' AND Host <> 'localhost');
		FLUSH PRIVILEGES;
		SET PASSWORD FOR 'root'@'localhost' = PASSWORD($password);
		$root_host
	EOSQL
	if [ -n "$DATABASE" ]; then
		note "Creating database $DATABASE"
		sql --database=mysql <<< "CREATE DATABASE IF NOT EXISTS \`${DATABASE//\`/\`\`}\`;"
	fi
	if [ -n "$USER" ] && [ -n "$PASSWORD" ]; then
		note "Creating user $USER"
		sql --database=mysql --binary-mode <<< "CREATE USER $(quoted "$USER")@'%' IDENTIFIED BY $(quoted "$PASSWORD");"
		if [ -n "$DATABASE" ]; then
			note "Giving user $USER access to schema $DATABASE"
			local pattern="${DATABASE//_/\\_}"
			sql --database=mysql <<< "GRANT ALL ON \`${pattern//\`/\`\`}\`.* TO $(quoted "$USER")@'%';"
		fi
	fi
	shopt -s nullglob
	run_init_files /docker-entrypoint-initdb.d/*

	note 'Stopping temporary server'
	kill "$server"
	wait "$server"
	note 'Temporary server stopped'
	echo
	note 'MariaDB init process done. Ready for start up.'
	echo
}

only_asks() {
	local argument
	for argument; do
		case "$argument" in
			-'?' | --help | --print-defaults | -V | --version) return 0 ;;
		esac
	done
	return 1
}

# The path the server would use for an option, its files and arguments considered (the word alone is in help texts too).
configured() {
	local option="$1"
	shift
	"$@" --verbose --help 2> /dev/null | awk -v option="$option" '$1 == option && $2 ~ "^/" { print $2 }'
}

if [ "${1:0:1}" = '-' ]; then
	set -- mariadbd "$@"
fi

if { [ "$1" = mariadbd ] || [ "$1" = mysqld ]; } && ! only_asks "$@"; then
	note "Entrypoint script for MariaDB Server $MARIADB_VERSION started."
	DATADIR="$(configured datadir "$@")"
	SOCKET="$(configured socket "$@")"
	if [ "$(id -u)" = 0 ]; then
		mkdir -p "$DATADIR" "${SOCKET%/*}"
		find "$DATADIR" \! -user mysql -exec chown mysql: '{}' +
		find "${SOCKET%/*}" -maxdepth 0 \! -user mysql -exec chown mysql: '{}' +
		note "Switching to dedicated user 'mysql'"
		exec gosu mysql "${BASH_SOURCE[0]}" "$@"
	fi
	if [ ! -d "$DATADIR/mysql" ]; then
		# Each becomes a variable of this shell alone; one of the same short name from outside means something else.
		for part in ROOT_HOST DATABASE USER PASSWORD ROOT_PASSWORD ALLOW_EMPTY_ROOT_PASSWORD RANDOM_ROOT_PASSWORD; do
			unset "$part"
			setting "$part"
		done
		: "${ROOT_HOST:=%}"
		new_database "$@"
	fi
fi

exec "$@"
