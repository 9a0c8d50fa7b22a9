/**
 * Programs for the shell of a container, given as one argument; what they work on comes as further arguments. A tool that
 * is run by exec outlives its client, and a stream that was cut looks like one that ended; these see to both.
 *
 * None of them may leave an orphan: orphans go to process 1, and a PostgreSQL that is process 1 takes an orphan that was
 * ended by a signal for a crashed session of its own, and restarts (tried on 15.18).
 */

/**
 * Runs the tool as a child and waits for it. Says first who it is and which group it is in; its output ends with a mark
 * and its status, so that nothing cut short can pass for it.
 */
export const TOOL = `mark=$1; shift
command -v "$1" >/dev/null 2>&1 || { echo "- -" >&2; exit 127; }
exec 3<&0
sh -c 'echo "$$ $PPID" >&2; exec "$@"' stillpoint "$@" <&3 3<&- &
exec 3<&- </dev/null
wait "$!"; code=$?
printf '%s%03d' "$mark" "$code"
exit "$code"`;

/** What it says first: process and group; a dash when there is no such program. */
export const ANNOUNCED = /^(\d+|-) (\d+|-)\n/;

/**
 * Waits for a word from us. Without one (we are dead, or want the tool gone) it ends $1, known by its start time, by
 * signals to $2: that process alone, or its group where process 1 is an init.
 */
export const GUARD = `tool=$1 target=$2
look() { since=; read -r stat <"/proc/$tool/stat" && set -- \${stat##*") "} && since=\${20}; } 2>/dev/null
look; first=$since
read -r word && [ "$word" = done ] && exit 0
for signal in TERM KILL; do
  look; [ -n "$since" ] && [ "$since" = "$first" ] || exit 0
  kill -s "$signal" -- "$target"
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    look; [ -n "$since" ] || exit 0
    sleep 0.1
  done
done`;
