#!/usr/bin/env bash
# Writes a version wherever one stands: Cargo.toml and its locks, and what names the image or the component of a release.
#
#   .github/version.sh X.Y.Z
set -euo pipefail
version=${1:-}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { printf 'usage: .github/version.sh X.Y.Z\n' >&2 && exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export version
perl -0pi -e 's/^(version = ")[^"]+/$1$ENV{version}/m' Cargo.toml
# The package itself in the locks, which is the one without a source.
perl -0pi -e 's/(name = "tagboat"\nversion = ")[^"]+/$1$ENV{version}/' Cargo.lock
perl -pi -e 's/(newTag: )\S+/$1$ENV{version}/' config/kubernetes/*/kustomization.yaml
perl -pi -e 's#(/tagboat(?::|\@v))\d+\.\d+\.\d+#$1$ENV{version}#g' templates/tagboat.yml examples/gitea/tagboat.yml examples/gitlab/.gitlab-ci.yml
