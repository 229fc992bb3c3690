#!/usr/bin/env bash
# The step of action.yml: installs the pinned osa, runs one command, and adds the outputs that osa itself does not set.
set -euo pipefail

: "${INPUT_COMMAND:?}" "${INPUT_FILE:?}" "${INPUT_VERSION:?}"
[ -n "${OSA_SERVER:-}" ] || unset OSA_SERVER

home="$(mktemp -d)"
trap 'rm -rf "$home"' EXIT
case "$INPUT_VERSION" in
  [0-9]*) package="@osa/cli@$INPUT_VERSION" ;;
  *) package="$INPUT_VERSION" ;;
esac
npm install --silent --no-audit --no-fund --prefix "$home" "$package"
osa="$home/node_modules/.bin/osa"

arguments=("$INPUT_FILE")
while IFS= read -r line; do
  [ -z "$line" ] || arguments+=(--release "$line")
done <<< "${INPUT_RELEASE:-}"
[ -z "${INPUT_COMPARE:-}" ] || arguments+=(--compare "$INPUT_COMPARE" --max-changed "${INPUT_MAX_CHANGED:-0}")

text="$home/text"
status=0
case "$INPUT_COMMAND" in
  validate) "$osa" validate "$INPUT_FILE" ;;
  plan)
    [ -z "${INPUT_PLAN:-}" ] || arguments+=(--out "$INPUT_PLAN")
    "$osa" deploy --plan --exit-zero "${arguments[@]}" | tee "$text" || status=$?
    ;;
  deploy)
    [ -z "${INPUT_PLAN:-}" ] || arguments+=(--expect-plan "$INPUT_PLAN")
    "$osa" deploy "${arguments[@]}" | tee "$text" || status=$?
    ;;
  *)
    echo "::error::command: $INPUT_COMMAND is not deploy, plan or validate" >&2
    exit 2
    ;;
esac

if [ -s "$text" ] && [ -n "${GITHUB_OUTPUT:-}" ]; then
  fence="osa_$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n')"
  {
    printf 'plan<<%s\n### osa %s\n\n```\n' "$fence" "$INPUT_COMMAND"
    sed 's/```/` ` `/g' "$text"
    printf '```\n%s\n' "$fence"
    printf 'versions=%s\n' "$(sed -n 's/^version_\([a-z0-9_]*\)=\([0-9]*\)$/"\1":\2/p' "$GITHUB_OUTPUT" | paste -sd, | sed 's/.*/{&}/')"
  } >> "$GITHUB_OUTPUT"
fi
exit "$status"
