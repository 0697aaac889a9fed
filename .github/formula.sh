#!/usr/bin/env bash
# Prints the formula of Homebrew for a release, from its list of checksums.
#
#   .github/formula.sh VERSION REPOSITORY_URL SHA256SUMS
set -euo pipefail
version=$1
url=${2%/}
sums=$3

sum() {
  local found
  found=$(awk -v name="tagboat-$version-$1.tar.gz" '$2 == name || $2 == "*" name { print $1 }' "$sums")
  [[ $found =~ ^[0-9a-f]{64}$ ]] || { printf '%s names no archive of %s for %s\n' "$sums" "$version" "$1" >&2 && exit 1; }
  printf '%s' "$found"
}

place() {
  printf '      url "%s/releases/download/v%s/tagboat-%s-%s.tar.gz"\n      sha256 "%s"\n' "$url" "$version" "$version" "$1" "$(sum "$1")"
}

cat <<EOF
class Tagboat < Formula
  desc "Tows new container images into Git"
  homepage "$url"
  version "$version"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "git"

  on_macos do
    on_arm do
$(place aarch64-apple-darwin)
    end
    on_intel do
$(place x86_64-apple-darwin)
    end
  end
  on_linux do
    on_arm do
$(place aarch64-unknown-linux-gnu)
    end
    on_intel do
$(place x86_64-unknown-linux-gnu)
    end
  end

  def install
    bin.install "tagboat"
    man1.install Dir["man/man1/*.1"]
    bash_completion.install "completions/tagboat.bash" => "tagboat"
    zsh_completion.install "completions/_tagboat"
    fish_completion.install "completions/tagboat.fish"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/tagboat --version")
  end
end
EOF
