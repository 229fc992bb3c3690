#!/bin/sh
# Makes the secrets of compose.yaml, each in a file of its own, and .env with what is no secret. It never overwrites.
#
#   sh make-secrets.sh DOMAIN [PUBLIC_KEY_FILE]
#
# PUBLIC_KEY_FILE holds the key that deploys are signed with, as `osa keys generate` prints it.
set -eu
umask 077
cd "$(dirname "$0")"

domain=${1:-}
key=${2:-}
case $domain in
  '' | *[!a-z0-9.-]*) echo "give the domain of the archive, in lower case: sh make-secrets.sh archive.example.org" >&2; exit 2 ;;
esac
if [ -n "$key" ] && ! { [ -f "$key" ] && [ -r "$key" ]; }; then
  echo "PUBLIC_KEY_FILE: $key cannot be read from $PWD; give the file that osa keys generate wrote" >&2
  exit 2
fi
for file in .env secrets; do
  if [ -e "$file" ]; then
    echo "$PWD/$file is there already, so nothing is changed; to begin anew, remove it and the volume of the database" >&2
    exit 1
  fi
done

random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# All is made under other names first, so that a failure leaves nothing behind.
new=$(mktemp -d ./secrets.XXXXXX)
trap 'rm -rf -- "$new" "$new.env"' EXIT
trap 'exit 1' HUP INT TERM
owner=$(random)
app=$(random)
printf '%s' "$owner" > "$new/postgres-password"
printf '%s' "$app" > "$new/app-password"
# The script that makes the role runs as PostgreSQL's user; the directory keeps others of this machine out.
chmod 444 "$new/app-password"
printf 'postgres://osa:%s@postgres:5432/osa\n' "$owner" > "$new/owner-database-url"
printf 'postgres://osa_app:%s@postgres:5432/osa\n' "$app" > "$new/database-url"
if [ -n "$key" ]; then cat -- "$key" > "$new/public-key.jwk"; fi
printf 'OSA_DOMAIN=%s\nOSA_SECRETS=./secrets\n' "$domain" > "$new.env"
# The user of the image reads these; that of PostgreSQL starts as root.
if [ "$(id -u)" -eq 0 ]; then chown -R 10001:10001 "$new"; fi
mv -- "$new" secrets
mv -- "$new.env" .env

echo "made .env and secrets/ for $domain"
[ -n "$key" ] || echo "now put the public key of your CI into $PWD/secrets/public-key.jwk (osa keys generate prints one)"
[ "$(id -u)" -eq 0 ] || echo "then let the image's user read them: sudo chown -R 10001:10001 $PWD/secrets"
