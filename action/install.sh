#!/usr/bin/env bash
# Brings the tagboat binary onto the PATH of the steps that follow.
#
# Reads INPUT_VERSION, INPUT_CHECKSUM, INPUT_RELEASES, INPUT_BINARY and ACTION_REPOSITORY, and the runner's own variables. In the action's own
# repository (`uses: ./`) the binary is built from source; elsewhere a release is downloaded, and its checksum compared.
set -euo pipefail

fail() {
  # A newline would begin a command of its own.
  printf '::error title=tagboat::%s\n' "${1//[$'\r\n']/ }"
  exit 1
}

sha256() {
  if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

bin=${RUNNER_TEMP:?}/tagboat-bin
mkdir -p "$bin"
printf '%s\n' "$bin" >>"${GITHUB_PATH:?}"

if [[ -n ${INPUT_BINARY:-} ]]; then
  [[ -x $INPUT_BINARY ]] || fail "binary: $INPUT_BINARY is no program"
  cp "$INPUT_BINARY" "$bin/tagboat"
  exit 0
fi

source=${GITHUB_ACTION_PATH:?}
version=${INPUT_VERSION:-$(sed -n 's/^version = "\(.*\)"/\1/p' "$source/Cargo.toml" | head -n 1)}
[[ $version =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] || fail "version: $version is none: write it as 1.2.3"

# A local action has no repository of its own.
if [[ -z ${ACTION_REPOSITORY:-} && -z ${INPUT_VERSION:-} && -z ${INPUT_RELEASES:-} ]]; then
  printf '::group::build tagboat from source\n'
  cargo build --locked --release --manifest-path "$source/Cargo.toml" --target-dir "${RUNNER_TEMP}/tagboat-target"
  printf '::endgroup::\n'
  cp "$RUNNER_TEMP/tagboat-target/release/tagboat" "$bin/tagboat"
  exit 0
fi

case ${RUNNER_OS:-}-${RUNNER_ARCH:-} in
  Linux-X64) target=x86_64-unknown-linux-gnu ;;
  Linux-ARM64) target=aarch64-unknown-linux-gnu ;;
  macOS-X64) target=x86_64-apple-darwin ;;
  macOS-ARM64) target=aarch64-apple-darwin ;;
  *) fail "there is no release for ${RUNNER_OS:-} on ${RUNNER_ARCH:-}: name a tagboat of your own with binary" ;;
esac

# Actions of another server, as Enterprise Server brings them from github.com, have their releases there.
releases=${INPUT_RELEASES:-${ACTION_REPOSITORY:+${GITHUB_SERVER_URL:?}/$ACTION_REPOSITORY}}
[[ -n $releases ]] || fail "version is given, and no repository to take it from: use the action by its name, or give releases"
[[ $releases =~ ^https?://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._-]+)+$ ]] || fail "releases: $releases is not as https://github.com/acme/tagboat"
archive=tagboat-$version-$target.tar.gz
from=$releases/releases/download/v$version
scratch=$(mktemp -d "$RUNNER_TEMP/tagboat.XXXXXX")
trap 'rm -rf "$scratch"' EXIT

# TLS all the way; a server on this machine is a test's.
protocols=(--proto '=https' --proto-redir '=https')
if [[ $releases =~ ^http://127\.0\.0\.1: ]]; then
  protocols=(--proto '=http')
fi
download() {
  curl --fail --silent --show-error --location "${protocols[@]}" --tlsv1.2 --retry 3 --max-time 120 --max-filesize 104857600 \
    --output "$scratch/$1" "$from/$1" || fail "$from/$1 could not be downloaded: is $version a release? Where releases are elsewhere, releases names the repository"
}

download "$archive"
checksum=${INPUT_CHECKSUM:-}
if [[ -z $checksum ]]; then
  download SHA256SUMS
  checksum=$(awk -v name="$archive" '$2 == name || $2 == "*" name { print $1 }' "$scratch/SHA256SUMS")
  [[ -n $checksum ]] || fail "SHA256SUMS of $version does not name $archive"
fi
is=$(sha256 "$scratch/$archive")
[[ $is == "$(tr A-F a-f <<<"$checksum")" ]] || fail "$archive is not what its checksum says: it is $is, and $checksum was expected"
tar -xzf "$scratch/$archive" -C "$scratch" --strip-components 1
[[ -f $scratch/tagboat ]] || fail "$archive holds no tagboat"
install -m 0755 "$scratch/tagboat" "$bin/tagboat"
