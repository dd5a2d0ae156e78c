#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Installs what is missing on Debian and Ubuntu, and says what to install
# elsewhere. What is there already costs nothing: no network, no root.
#
# usage: setup.sh [PART...]     default: all of them
#        setup.sh --list        the packages of each part
#   vmtest    QEMU, to boot kernels, and the keys of the archive they come from
#   vng       virtme-ng, to boot them its way; --vng is the same
#   test      gcc, also for 32 bits and musl, for tests of programs that use C;
#             readelf; curl, for the action
#   faults    libfaketime, to let QEMU's clock jump
#   browser   Chromium, to look at report.html
#   bpftool   bpftool, to compare with its output
#   generate  the pinned clang and lld, to compile BPF objects and the workload
#   lint      shellcheck
#   fresh     mmdebstrap, for scripts/fresh.sh
set -euo pipefail

# needs lists every package: the part that needs it, its name, and what shows that
# it is installed.
#   program  one of these is on the path
#   static   likewise, and without libraries, which an initramfs does not have
#   file     this file exists
#   keys     likewise; needed only where apt is
#   next     likewise a program; Debian has the package from 13 on
# The major version of clang is part of its name: it made the objects in the
# repository. virtme-ng starts file, modprobe and udevadm here, and bash and busybox
# in the VM, whose root is this system's.
needs() {
  cat <<'END'
vmtest    qemu-system-x86         program  qemu-system-x86_64
vmtest    debian-archive-keyring  keys     /usr/share/keyrings/debian-archive-keyring.gpg
vng       virtme-ng               next     vng
vng       bash                    program  bash
vng       busybox-static          static   busybox
vng       file                    program  file
vng       kmod                    program  modprobe
vng       udev                    program  udevadm
test      gcc                     program  gcc
test      libc6-dev               file     /usr/include/stdio.h
test      gcc-multilib            file     /usr/lib32/crt1.o
test      musl-tools              program  musl-gcc
test      binutils                program  readelf
test      curl                    program  curl
faults    libfaketime             file     /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1
browser   chromium                program  chromium chromium-browser google-chrome
bpftool   bpftool                 program  bpftool
generate  clang-14                program  clang-14
generate  llvm-14                 program  llvm-strip-14
generate  lld-14                  program  ld.lld-14
generate  libbpf-dev              file     /usr/include/bpf/bpf_helpers.h
generate  linux-libc-dev          file     /usr/include/linux/bpf.h
lint      shellcheck              program  shellcheck
fresh     mmdebstrap              program  mmdebstrap
END
}

# modprobe and bpftool are installed where not every user's path leads.
PATH=$PATH:/usr/sbin:/sbin

die() {
  echo "setup.sh: $*" >&2
  exit 1
}

list() {
  needs | awk '
    !($1 in packages) { parts[++n] = $1 }
    { packages[$1] = packages[$1] " " $2 }
    END { for (i = 1; i <= n; i++) printf "%-9s%s\n", parts[i], packages[parts[i]] }'
}

has_apt() {
  command -v apt-get >/dev/null
}

is_bookworm() {
  grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release
}

# is_installed KIND WHAT...: the kinds are those of needs.
is_installed() {
  local kind=$1 name path
  shift
  case $kind in
    file) [[ -e $1 ]] && return ;;
    keys) [[ -e $1 ]] || ! has_apt && return ;;
    *)
      for name in "$@"; do
        path=$(command -v "$name") || continue
        [[ $kind != static ]] || ! ldd "$path" >/dev/null 2>&1 || continue
        return 0
      done
      ;;
  esac
  return 1
}

# The progress of apt is for a terminal; a log has its errors.
if [[ -t 2 ]]; then
  exec 3>&2
else
  exec 3>/dev/null
fi

# as_root COMMAND...: runs it with sudo where that is needed.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

# apt_install PACKAGE...: names of packages, or paths of files.
apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "$@" >&3
}

# fetch_next DIR PACKAGE: downloads one package of the release after Debian 12.
# apt does so with a state of its own in DIR, and verifies it as always; the
# machine's configuration is not touched. The mirror is the machine's own.
fetch_next() {
  local dir=$1 package=$2 mirror
  # shellcheck disable=SC2016 # apt's variable
  mirror=$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Component: main' 'Label: Debian' 'Codename: bookworm' | sed -n 1p)
  [[ -n $mirror ]] ||
    die "no mirror of Debian 12 in this machine's apt sources, to fetch $package of Debian 13 from. Add one"
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nTargets: Packages\nSigned-By: %s\n' \
    "$mirror" /usr/share/keyrings/debian-archive-keyring.gpg >"$dir/next.sources"
  local options=(
    -o "Dir::State=$dir" -o "Dir::State::Lists=$dir/lists" -o Dir::State::status=/dev/null
    -o "Dir::Cache=$dir/cache" -o "Dir::Etc::SourceList=$dir/next.sources" -o Dir::Etc::SourceParts=-
    -o APT::Sandbox::User= -o Acquire::Languages=none -o APT::Update::Error-Mode=any
  )
  echo "setup.sh: fetch $package of Debian 13" >&2
  apt-get "${options[@]}" update -q >&3
  (cd "$dir" && apt-get "${options[@]}" download -q "$package" >&3)
}

# install_next PACKAGE: where this release does not have it, that of Debian 13
# installs on 12, with dependencies of 12.
install_next() {
  if apt-get install -s -q "$1" >/dev/null 2>&1; then
    apt_install "$1"
    return
  fi
  is_bookworm ||
    die "this system has no package $1. Install it as its authors describe: https://github.com/arighi/virtme-ng#installation"
  temp=$(mktemp -d)
  trap 'rm -rf "$temp"' EXIT
  fetch_next "$temp" "$1"
  apt_install "$temp/$1"_*.deb
}

if [[ ${1-} == --list ]]; then
  list
  exit
fi
mapfile -t known < <(list | cut -d ' ' -f 1)
[[ $# -gt 0 ]] || set -- "${known[@]}"
parts=("${@#--}")

packages=()
next=()
for part in "${parts[@]}"; do
  if [[ " ${known[*]} " != *" $part "* ]]; then
    echo "setup.sh: $part: unknown part, want ${known[*]}" >&2
    exit 2
  fi
  while read -r of package kind what; do
    # shellcheck disable=SC2086 # names, without spaces
    if [[ $of != "$part" ]] || is_installed "$kind" $what; then
      continue
    fi
    if [[ $kind == next ]]; then
      next+=("$package")
    else
      packages+=("$package")
    fi
  done < <(needs)
done

all=("${packages[@]}" "${next[@]}")
[[ ${#all[@]} -gt 0 ]] || exit 0
missing=${all[*]}
has_apt || die "this system has no apt. Install what these Debian packages contain: $missing"
[[ $EUID -eq 0 ]] || command -v sudo >/dev/null ||
  die "missing: $missing. This user is not root and has no sudo. As root, run: scripts/setup.sh ${parts[*]}"
echo "setup.sh: install $missing" >&2
as_root apt-get update -q >&3
[[ ${#packages[@]} -eq 0 ]] || apt_install "${packages[@]}"
for package in "${next[@]}"; do
  install_next "$package"
done
