#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Prints the section of a version in CHANGELOG.md, without its title: the notes of a
# release.
#
# usage: release-notes.sh VERSION      as 1.2.3 or v1.2.3, or Unreleased
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:?usage: release-notes.sh VERSION}
notes=$(awk -v want="## [${version#v}]" '
  index($0, "## ") == 1 { in_it = index($0, want) == 1; next }
  in_it' CHANGELOG.md)
if [[ -z ${notes//[[:space:]]/} ]]; then
  echo "release-notes.sh: CHANGELOG.md has no section [${version#v}]: write it before the tag is pushed" >&2
  exit 1
fi
echo "$notes"
