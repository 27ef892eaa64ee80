# Runs a PostgreSQL cluster in a temporary folder until standard input is closed.
#
# Argument: the folder of PostgreSQL's programs. The first line of standard input is the password of the
# user "picpick". Prints the folder of its socket. Listens on no port, so that no port can collide.
set -eu
# Signals are ignored: an interrupted test program closes standard input, and that ends the cluster.
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
# The cluster is temporary, so fsync is not needed.
"$programs/pg_ctl" --pgdata "$folder/data" --log "$folder/log" --wait --silent \
  --options "-c listen_addresses= -k $folder -c fsync=off -c max_connections=300" start ||
  { cat "$folder/log" >&2; exit 1; }
trap '"$programs/pg_ctl" --pgdata "$folder/data" --mode immediate --silent stop || true; rm -rf "$folder"' EXIT
printf '%s\n' "$folder"
cat >/dev/null
