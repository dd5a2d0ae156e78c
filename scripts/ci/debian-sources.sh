#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Writes apt sources of Debian's kernels, for machines that are not Debian. The keys are
# those of the package debian-archive-keyring, which Ubuntu has too.
#
# usage: debian-sources.sh DIR
#   then: RINGTWIN_APT=DIR ringtwin ...
# environment:
#   RINGTWIN_DEBIAN  a mirror, with debian and debian-security. Default: http://deb.debian.org
set -euo pipefail

readonly mirror=${RINGTWIN_DEBIAN:-http://deb.debian.org}
readonly keys=/usr/share/keyrings/debian-archive-keyring.gpg
dir=${1:?usage: debian-sources.sh DIR}

# stanza URI SUITE: ringtwin reads the other suites of the same mirror.
stanza() {
  printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n\n' "$1" "$2" "$keys"
}

mkdir -p "$dir/etc/apt/sources.list.d"
{
  stanza "$mirror/debian" bookworm
  stanza "$mirror/debian-security" bookworm-security
} >"$dir/etc/apt/sources.list.d/debian.sources"
