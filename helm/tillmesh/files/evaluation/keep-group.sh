# Beside each server of a group: a replica follows server 0; server 0 opens once a replica acknowledges, semi-sync first, so that no
# write is answered that no replica has. Nobody is promoted: an evaluation shows what the mesh does while a primary is away.
set -u
PRIMARY_PORT=${PRIMARY_PORT:-3306}
SOCKET=${SOCKET:-/run/mysqld/mysqld.sock}
CLIENT=${CLIENT:-mariadb}
ordinal=${HOSTNAME##*-}
password() { cat "$PASSWORDS/$1.password"; }
ask() { MYSQL_PWD=$(password root) "$CLIENT" --no-defaults --batch --skip-column-names --connect-timeout=2 --socket="$SOCKET" --user=root --execute "$1" 2>/dev/null; }
trap 'exit 0' TERM INT

last=''
say() { [ "$1" = "$last" ] || echo "$1"; last=$1; }

step() {
  if [ "$ordinal" != 0 ]; then
    status=$(ask 'SHOW ALL SLAVES STATUS\G') || { say 'the server does not answer yet'; return; }
    if [ -z "$status" ]; then
      ask "CHANGE MASTER TO MASTER_HOST='$PRIMARY_HOST', MASTER_PORT=$PRIMARY_PORT, MASTER_USER='replication', MASTER_PASSWORD='$(password replication)', MASTER_USE_GTID=slave_pos, MASTER_CONNECT_RETRY=1; START SLAVE" &&
        say "follows $PRIMARY_HOST"
    elif ! grep -q 'Slave_IO_Running: Yes\|Slave_IO_Running: Connecting\|Slave_IO_Running: Preparing' <<<"$status" || ! grep -q 'Slave_SQL_Running: Yes' <<<"$status"; then
      ask 'START SLAVE' && say "replication was started again: $(grep -o 'Last_[A-Z]*_Error: ..*' <<<"$status" | tr '\n' ' ')"
    else
      say 'follows'
    fi
    return
  fi
  read_only=$(ask 'SELECT @@GLOBAL.read_only') || { say 'the server does not answer yet'; return; }
  [ "$read_only" = 1 ] || { say 'is open'; return; }
  clients=$(ask "SHOW GLOBAL STATUS LIKE 'Rpl_semi_sync_master_clients'" | cut -f2)
  [ "${clients:-0}" -ge 1 ] || { say 'waits for a replica that acknowledges'; return; }
  ask 'SET GLOBAL rpl_semi_sync_master_enabled = ON; SET GLOBAL read_only = OFF; CREATE DATABASE IF NOT EXISTS tillmesh; CREATE DATABASE IF NOT EXISTS tillmesh_lists; CREATE DATABASE IF NOT EXISTS tillmesh_events' &&
    say "opened with $clients replicas"
}

while true; do
  step
  sleep "${EVERY_SECONDS:-2}" &
  wait $!
done
