#!/usr/bin/env bash
# Copia o que não se refaz: os dois bancos, os dados da página e os artefatos do MLflow, num só arquivo.
# Vetores e modelos se refazem sozinhos e ficam de fora; senhas também: cada pilha tem as suas.
# uso: infra/backup/backup.sh [PASTA]      (padrão: backups)
set -euo pipefail
umask 077 # o arquivo tem conversas
cd "$(dirname "$0")/../.."
folder=${1:-backups}
project=${COMPOSE_PROJECT_NAME:-melancia}
name=melancia-$(date -u +%Y%m%d-%H%M%S)
work=$(mktemp -d)
finish() {
  docker compose unpause app worker >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap finish EXIT

docker compose exec -T postgres true 2>/dev/null ||
  { echo "O PostgreSQL não está no ar: docker compose up -d postgres" >&2; exit 1; }
mkdir -p "$folder"
# Parados por uns segundos, para que bancos e arquivos digam a mesma coisa.
docker compose pause app worker >/dev/null 2>&1 || true
for database in melancia mlflow; do
  docker compose exec -T postgres pg_dump --username postgres --format custom "$database" >"$work/$database.dump"
done
for volume in data artifacts; do
  docker run --rm --network none --user 10001:10001 --entrypoint tar --volume "${project}_$volume:/volume:ro" \
    melancia/init:local --directory /volume --create --file - . >"$work/$volume.tar"
done
tar --directory "$work" --create --gzip --file "$folder/.$name.partial" melancia.dump mlflow.dump data.tar artifacts.tar
mv "$folder/.$name.partial" "$folder/$name.tar.gz"
echo "Cópia em $folder/$name.tar.gz ($(du -h "$folder/$name.tar.gz" | cut -f1))."
