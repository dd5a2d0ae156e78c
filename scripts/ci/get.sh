#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Puts ringtwin on the path of the following steps.
#
# environment:
#   VERSION     a version such as 1.2.3, latest, source, or a path that begins
#               with / or ./. Default: the version of the action
#   ACTION_REF  the reference of the action, such as v1 or v1.2.3
#   RINGTWIN_RELEASES  where the releases are; gh verifies those of GitHub
#   GITHUB_ACTION_PATH, GITHUB_PATH, RUNNER_TEMP  of the runner
set -euo pipefail

readonly github=https://github.com/ringtwin/ringtwin/releases
readonly releases=${RINGTWIN_RELEASES:-$github}
readonly bin=$RUNNER_TEMP/ringtwin-bin

# die WHAT: fails the step with an annotation, and with it as the summary.
die() {
  echo "::error title=ringtwin was not installed::$*" >&2 # standard output may be a variable
  echo "**ringtwin was not installed**: $*" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
  exit 1
}

download() {
  curl -fsSL --retry 3 --retry-connrefused -o "$2" "$1" || die "cannot download $1. Set version to a release, or to source"
}

# newest prints the version of the newest release, to which GitHub redirects.
newest() {
  local url
  url=$(curl -fsSL --retry 3 -o /dev/null -w '%{url_effective}' "$releases/latest") ||
    die "cannot find the newest release at $releases/latest. Set version to a release, or to source"
  echo "${url##*/tag/v}"
}

# choose prints what to install: a version, source, or a path. A branch or a commit is
# not a release.
choose() {
  local version major
  case ${VERSION:-$ACTION_REF} in
    source | /* | ./*) echo "${VERSION:-source}" ;;
    latest) newest ;;
    v[0-9]*.* | [0-9]*.*)
      version=${VERSION:-$ACTION_REF}
      echo "${version#v}"
      ;;
    v[0-9]*)
      major=${VERSION:-$ACTION_REF}
      version=$(newest)
      [[ $version == "${major#v}".* ]] || die "the newest release is $version, not one of $major. Set version to the release to use"
      echo "$version"
      ;;
    *)
      [[ -z $VERSION ]] || die "version $VERSION: want a version such as 1.2.3, latest, source, or a path that begins with / or ./"
      echo source
      ;;
  esac
}

# release VERSION: downloads and verifies the archive, and unpacks the program.
release() {
  local archive=ringtwin_$1_linux_amd64.tar.gz dir
  [[ $(uname -m) == x86_64 ]] || die "there are releases for x86-64 only, and this machine is $(uname -m)"
  dir=$(mktemp -d)
  download "$releases/download/v$1/$archive" "$dir/$archive"
  download "$releases/download/v$1/checksums.txt" "$dir/checksums.txt"
  # An archive that is not listed is not verified either.
  awk -v name="$archive" '$2 == name || $2 == "*" name' "$dir/checksums.txt" >"$dir/expected"
  [[ -s $dir/expected ]] ||
    die "checksums.txt of $1 does not list $archive"
  (cd "$dir" && sha256sum --check --strict --quiet expected) ||
    die "the SHA-256 of $archive is not the one in checksums.txt: it was changed or truncated"
  if [[ $releases != "$github" ]] || ! command -v gh >/dev/null; then
    echo "The provenance of $archive is not verified: it is not from GitHub, or there is no gh"
  elif ! gh attestation verify "$dir/$archive" --repo ringtwin/ringtwin; then
    die "the provenance of $archive could not be verified: see the log"
  fi
  tar -xzf "$dir/$archive" -C "$bin" ringtwin
  rm -r "$dir"
}

main() {
  local what
  VERSION=${VERSION:-} ACTION_REF=${ACTION_REF:-}
  mkdir -p "$bin"
  what=$(choose) || exit 1
  case $what in
    source)
      command -v go >/dev/null || die "go is needed to build version source: add actions/setup-go"
      (cd "$GITHUB_ACTION_PATH" && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -buildvcs=auto -o "$bin/ringtwin" ./cmd/ringtwin) ||
        die "the sources at $GITHUB_ACTION_PATH do not build"
      ;;
    /* | ./*)
      [[ -f $what ]] || die "version $what: there is no such file"
      install -m 755 "$what" "$bin/ringtwin"
      ;;
    *) release "$what" ;;
  esac
  "$bin/ringtwin" --version
  echo "$bin" >>"$GITHUB_PATH"
}

main
