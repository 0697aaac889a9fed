#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version; fails where it says nothing.
set -euo pipefail
version=$1
cd "$(dirname "${BASH_SOURCE[0]}")/.."
notes=$(awk -v version="$version" '
  /^## / { found = ($2 == version || $2 == "[" version "]"); next }
  found { print }
' CHANGELOG.md)
[[ $notes == *[![:space:]]* ]] || { printf 'CHANGELOG.md says nothing of %s\n' "$version" >&2 && exit 1; }
printf '%s\n' "$notes"
