#!/usr/bin/env bash
# Builds the binary for this machine and packs it into dist/, with man pages, completions and licences.
#
#   .github/archive.sh VERSION TARGET
set -euo pipefail
version=$1
target=$2
cd "$(dirname "${BASH_SOURCE[0]}")/.."
binary=${TAGBOAT_BINARY:-}
if [[ -z $binary ]]; then
  cargo build --locked --release
  binary=target/release/tagboat
fi
is=$("$binary" --version)
[[ $is == "tagboat $version" ]] || { printf 'this is %s, and not %s\n' "$is" "$version" >&2 && exit 1; }
name=tagboat-$version-$target
folder=dist/$name
rm -rf "$folder"
mkdir -p "$folder/completions" "$folder/man/man1"
cp "$binary" README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$folder/"
chmod 0755 "$folder/$(basename "$binary")"
"$binary" manual "$folder/man/man1"
"$binary" completions bash >"$folder/completions/tagboat.bash"
"$binary" completions zsh >"$folder/completions/_tagboat"
"$binary" completions fish >"$folder/completions/tagboat.fish"
tar -czf "dist/$name.tar.gz" -C dist "$name"
