#!/usr/bin/env bash
# Installs what is missing on Debian and Ubuntu, and says what to install
# elsewhere. What is there already costs nothing: no network, no root.
#
# usage: setup.sh [vmtest] [vng] [faults] [browser] [bpftool] [generate] [lint]     default: all of them
#   vmtest    QEMU, to boot kernels
#   vng       virtme-ng, to boot them its way; --vng is the same
#   faults    libfaketime, to let QEMU's clock jump
#   browser   Chromium, to look at report.html
#   bpftool   bpftool, to compare with what it prints
#   generate  the pinned clang and lld, to compile BPF objects and the workload
#   lint      shellcheck
set -euo pipefail

# The major version of the compiler is part of its name; the objects in the
# repository were made with this one.
readonly clang=14
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# modprobe and bpftool are there, and not on every user's path.
PATH=$PATH:/usr/sbin:/sbin

packages=()
vng_missing=

# need PROGRAM PACKAGE...: the packages are missing if the program is.
need() {
  local program=$1
  shift
  command -v "$program" >/dev/null || packages+=("$@")
}

# need_file FILE PACKAGE: likewise.
need_file() {
  [[ -e $1 ]] || packages+=("$2")
}

# need_static PROGRAM PACKAGE: likewise; in an initramfs a program that needs
# libraries is no help.
need_static() {
  local path
  if ! path=$(command -v "$1") || ldd "$path" >/dev/null 2>&1; then
    packages+=("$2")
  fi
}

is_bookworm() {
  grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release
}

collect() {
  case $1 in
    vmtest)
      need qemu-system-x86_64 qemu-system-x86
      # The keys of the kernels' archive; elsewhere a kernel is given by path.
      ! command -v apt-get >/dev/null ||
        need_file "$keyring" debian-archive-keyring
      ;;
    vng | --vng)
      # What it starts here, and in the machine, whose root is this system's.
      need file file
      need modprobe kmod
      need bash bash
      need udevadm udev
      need_static busybox busybox-static
      if ! command -v vng >/dev/null; then
        vng_missing=yes
        ! is_bookworm || need_file "$keyring" debian-archive-keyring
      fi
      ;;
    faults)
      need_file /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 libfaketime
      ;;
    browser)
      # A browser of either name will do.
      command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null ||
        need chromium chromium
      ;;
    bpftool)
      need bpftool bpftool
      ;;
    generate)
      need "clang-$clang" "clang-$clang"
      need "llvm-strip-$clang" "llvm-$clang"
      need "ld.lld-$clang" "lld-$clang"
      need_file /usr/include/bpf/bpf_helpers.h libbpf-dev
      need_file /usr/include/linux/bpf.h linux-libc-dev
      ;;
    lint)
      need shellcheck shellcheck
      ;;
    *)
      echo "setup.sh: $1: want vmtest, vng, faults, browser, bpftool, generate or lint" >&2
      exit 2
      ;;
  esac
}

# as_root COMMAND...: runs it with sudo where that is needed.
as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "setup.sh: not root, and no sudo. As root: scripts/setup.sh" >&2
    exit 1
  fi
}

# apt_install PACKAGE...: names of packages, or paths of files.
apt_install() {
  echo "setup.sh: install $*" >&2
  as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "$@" >&2
}

# fetch_next DIR PACKAGE: downloads one package of the release after Debian 12.
# apt does so with a state of its own in DIR, and verifies it as always; the
# machine's configuration is not touched. The mirror is the machine's own.
fetch_next() {
  local dir=$1 package=$2 mirror
  # shellcheck disable=SC2016 # apt's variable
  mirror=$(apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Component: main' 'Label: Debian' 'Codename: bookworm' | sed -n 1p)
  if [[ -z $mirror ]]; then
    echo "setup.sh: no mirror of Debian 12 in this machine's apt sources, to fetch $package of Debian 13 from. Add one" >&2
    exit 1
  fi
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nTargets: Packages\nSigned-By: %s\n' \
    "$mirror" "$keyring" >"$dir/next.sources"
  local options=(
    -o "Dir::State=$dir" -o "Dir::State::Lists=$dir/lists" -o Dir::State::status=/dev/null
    -o "Dir::Cache=$dir/cache" -o "Dir::Etc::SourceList=$dir/next.sources" -o Dir::Etc::SourceParts=-
    -o APT::Sandbox::User= -o Acquire::Languages=none -o APT::Update::Error-Mode=any
  )
  echo "setup.sh: fetch $package of Debian 13" >&2
  apt-get "${options[@]}" update -q >&2
  (cd "$dir" && apt-get "${options[@]}" download -q "$package" >&2)
}

# install_vng: the package is in Debian from 13 on. On 12 that of 13 installs,
# with dependencies of 12.
install_vng() {
  if apt-get install -s -q virtme-ng >/dev/null 2>&1; then
    apt_install virtme-ng
    return
  fi
  if ! is_bookworm; then
    echo "setup.sh: this system has no package virtme-ng. Install it as its makers say: https://github.com/arighi/virtme-ng#installation" >&2
    exit 1
  fi
  temp=$(mktemp -d)
  trap 'rm -rf "$temp"' EXIT
  fetch_next "$temp" virtme-ng
  apt_install "$temp"/virtme-ng_*.deb
}

install_missing() {
  if ! command -v apt-get >/dev/null; then
    echo "setup.sh: this system has no apt. Install what these Debian packages hold: ${packages[*]} ${vng_missing:+virtme-ng}" >&2
    exit 1
  fi
  as_root apt-get update -q >&2
  [[ ${#packages[@]} -eq 0 ]] || apt_install "${packages[@]}"
  [[ -z $vng_missing ]] || install_vng
}

[[ $# -gt 0 ]] || set -- vmtest vng faults browser bpftool generate lint
for part in "$@"; do
  collect "$part"
done
[[ ${#packages[@]} -eq 0 && -z $vng_missing ]] || install_missing
