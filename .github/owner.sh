#!/usr/bin/env bash
# Writes who owns the repository wherever a placeholder stands for it: sample workflows, manifests, documents, Cargo.toml, schemas.
#
#   .github/owner.sh NAME
set -euo pipefail
owner=${1:-}
[[ $owner =~ ^[A-Za-z0-9][A-Za-z0-9-]{0,38}$ ]] || { printf 'usage: .github/owner.sh NAME\n' >&2 && exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/.."
placeholder=OWNER
# Names of images know no capitals.
git grep -Ilz "$placeholder/tagboat" | xargs -0 -r perl -pi -e "s#ghcr\.io/$placeholder/tagboat#ghcr.io/${owner,,}/tagboat#g; s#\b$placeholder/tagboat#$owner/tagboat#g"
