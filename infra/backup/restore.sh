#!/usr/bin/env bash
# Põe uma cópia no lugar do que a pilha tem agora.
# uso: infra/backup/restore.sh ARQUIVO       (pergunta antes; CONFIRM=sim não pergunta)
set -euo pipefail
umask 077
cd "$(dirname "$0")/../.."
archive=${1:-}
[ -f "$archive" ] || { echo "Diga qual cópia: make restore FROM=backups/melancia-….tar.gz" >&2; exit 1; }
project=${COMPOSE_PROJECT_NAME:-melancia}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Nada é tocado antes de a cópia inteira ter sido lida.
tar --directory "$work" --extract --gzip --file "$archive" 2>/dev/null ||
  { echo "$archive não é uma cópia que se possa ler; nada foi mudado." >&2; exit 1; }
for part in melancia.dump mlflow.dump data.tar artifacts.tar; do
  [ -s "$work/$part" ] || { echo "$archive está incompleto (falta $part); nada foi mudado." >&2; exit 1; }
done
if [ "${CONFIRM:-}" != sim ]; then
  read -r -p "Isto substitui conversas, avaliações, índice e execuções do MLflow. Escreva sim: " answer
  [ "$answer" = sim ] || { echo "Nada foi mudado."; exit 1; }
fi

docker compose up --detach --wait --no-build init postgres chroma >/dev/null 2>&1
docker compose stop app worker launcher mlflow >/dev/null 2>&1
for database in melancia mlflow; do
  docker compose exec -T postgres dropdb --username postgres --force --if-exists "$database"
  docker compose exec -T postgres createdb --username postgres --owner "$database" --template template0 \
    --encoding UTF8 "$database"
  docker compose exec -T postgres psql --username postgres --quiet --command "REVOKE ALL ON DATABASE $database FROM PUBLIC"
  docker compose exec -T postgres pg_restore --username postgres --dbname "$database" --no-owner \
    --role "$database" --exit-on-error <"$work/$database.dump"
done
for volume in data artifacts; do
  docker run --rm --interactive --network none --user 10001:10001 --entrypoint sh \
    --volume "${project}_$volume:/volume" melancia/init:local \
    -c 'find /volume -mindepth 1 -delete && tar --directory /volume --extract --file -' <"$work/$volume.tar"
done
docker compose up --detach --wait --no-build
echo "Restaurado de $archive."
