#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Checks what goreleaser has made in a directory, before anybody gets it: names, sums, and
# that the program is static, says its version and its commit, and is the one that anybody
# builds from this commit.
#
# usage: check-release.sh DIST
set -euo pipefail
dist=$(realpath "${1:?usage: check-release.sh DIST}")
cd "$(dirname "$0")/.."

die() {
  echo "check-release.sh: $*" >&2
  exit 1
}

# field NAME prints a value of the program's version, as of metadata.json.
field() { sed -nE 's/.*"'"$1"'": ?"?([^",]*)"?,?.*/\1/p'; }

temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

# An installer knows these names: a release has them at
# https://github.com/ringtwin/ringtwin/releases/download/vVERSION/.
version=$(tr ',' '\n' <"$dist/metadata.json" | field version)
tag=$(tr ',' '\n' <"$dist/metadata.json" | field tag)
archive=ringtwin_${version}_linux_amd64.tar.gz
[[ -f $dist/$archive ]] || die "no $archive in $dist"
[[ -f $dist/checksums.txt ]] || die "no checksums.txt in $dist"
[[ $(awk '{ print $2 }' "$dist/checksums.txt") == "$archive" ]] || die "checksums.txt is not of $archive alone"
(cd "$dist" && sha256sum --check --strict --quiet checksums.txt)

mkdir "$temp/files"
tar -xzf "$dist/$archive" -C "$temp/files"
for file in LICENSE LICENSES/BSD-3-Clause.txt README.md CHANGELOG.md; do
  [[ -s $temp/files/$file ]] || die "$archive has no $file"
done
program=$temp/files/ringtwin
if readelf --program-headers "$program" | grep -q INTERP; then
  die "the program is not static: VMs have no libraries"
fi
said=$("$program" version --json)
[[ -d .git ]] || die "this is no clone: Go states no commit in what it builds in a linked worktree (https://go.dev/issue/58218)"
[[ $(field commit <<<"$said") == "$(git rev-parse HEAD)" ]] || die "the program is of another commit: $said"
if [[ v$version == "$tag" ]]; then # not a snapshot
  scripts/release-notes.sh "$version" >/dev/null
  [[ $(field version <<<"$said") == "$tag"* ]] || die "the program is not of $tag: $said"
fi

# Anybody gets the same bytes with the same Go, and the same program by go install: of this commit, as it
# would be in a module proxy.
if [[ -n $(git status --porcelain) ]]; then
  echo "check-release.sh: the tree has changes: not compared with a build of the commit" >&2
else
  git clone --quiet "file://$PWD" "$temp/clone"
  (cd "$temp/clone" && GOTOOLCHAIN=$(field go <<<"$said") CGO_ENABLED=0 go build -trimpath -buildvcs=true -ldflags='-s -w' -o "$temp/again" ./cmd/ringtwin)
  cmp "$program" "$temp/again" || die "another build of the commit has other bytes"
fi
module=github.com/ringtwin/ringtwin
proxy=$temp/proxy/$module/@v
mkdir -p "$proxy"
echo v0.0.1 >"$proxy/list"
echo '{"Version":"v0.0.1"}' >"$proxy/v0.0.1.info"
git show HEAD:go.mod >"$proxy/v0.0.1.mod"
git archive --format=zip --prefix="$module@v0.0.1/" -o "$proxy/v0.0.1.zip" HEAD
(cd "$temp" && GOBIN="$temp/bin" GOMODCACHE="$temp/modules" GOFLAGS=-modcacherw GOSUMDB=off CGO_ENABLED=0 \
  GOPROXY="file://$temp/proxy,file://$(go env GOMODCACHE)/cache/download,$(go env GOPROXY)" \
  go install "$module/cmd/ringtwin@v0.0.1")
installed=$("$temp/bin/ringtwin" version --json)
[[ $(field version <<<"$installed") == v0.0.1 ]] || die "go install makes a program without a version: $installed"
[[ $(field objects <<<"$installed") == "$(field objects <<<"$said")" ]] || die "go install makes a program with other BPF objects: $installed"

echo "check-release.sh: $archive is static, is commit $(git rev-parse --short HEAD), and is what go build and go install make"
