# A PostgreSQL cluster in a folder of its own, for as long as standard input stays open.
#
# Argument: the folder of PostgreSQL's programs. The first line of standard input is the password of the
# user "picpick". Says in one line where its socket lies. Listens on no port, so there is none to collide.
set -eu
# Whoever interrupts the tests closes standard input, and only then it is time to end.
trap '' HUP INT TERM
programs=$1
read -r password
cd /
umask 077
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf '%s\n' "$password" >"$folder/password"
"$programs/initdb" --pgdata "$folder/data" --username picpick --pwfile "$folder/password" \
  --auth scram-sha-256 --encoding UTF8 --locale C --no-sync >"$folder/log" 2>&1 ||
  { cat "$folder/log" >&2; exit 1; }
# Nothing here cuts the power, so nothing waits for a disk.
"$programs/pg_ctl" --pgdata "$folder/data" --log "$folder/log" --wait --silent \
  --options "-c listen_addresses= -k $folder -c fsync=off -c max_connections=300" start ||
  { cat "$folder/log" >&2; exit 1; }
trap '"$programs/pg_ctl" --pgdata "$folder/data" --mode immediate --silent stop || true; rm -rf "$folder"' EXIT
printf '%s\n' "$folder"
cat >/dev/null
