# Run once by the image's entrypoint on each server for itself, before anybody can connect: nothing of it goes into the binary log.
password() { cat "${PASSWORDS:-/etc/tillmesh/passwords}/$1.password"; }
{
  echo "SET SESSION sql_log_bin = 0; SET GLOBAL read_only = OFF;"
  while read -r account grants; do
    echo "CREATE OR REPLACE USER '$account'@'%' IDENTIFIED BY '$(password "$account")';"
    echo "$grants" | tr ';' '\n' | while read -r grant; do
      [ -z "$grant" ] || echo "GRANT $grant TO '$account'@'%';"
    done
  done <<'GRANTS'
app SELECT, INSERT, UPDATE, DELETE ON tillmesh.*;SLAVE MONITOR ON *.*
migrate ALL PRIVILEGES ON tillmesh.*
read SELECT ON tillmesh.*;SELECT ON tillmesh_lists.*;SELECT ON tillmesh_events.*;SLAVE MONITOR ON *.*
lists ALL PRIVILEGES ON tillmesh_lists.*
events ALL PRIVILEGES ON tillmesh_events.*
replication REPLICATION SLAVE ON *.*
GRANTS
  # What the entrypoint itself has written is no part of the group's history.
  echo "RESET MASTER; SET GLOBAL read_only = ON;"
} | docker_process_sql || exit 1
