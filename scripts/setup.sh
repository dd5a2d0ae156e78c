#!/usr/bin/env bash
# Installs what is missing on Debian and Ubuntu, and says what to install
# elsewhere. What is there already costs nothing: no network, no root.
#
# usage: setup.sh [vmtest] [faults] [generate] [lint]     default: all of them
#   vmtest    QEMU, to boot kernels
#   faults    libfaketime, to let QEMU's clock jump
#   generate  the pinned clang and lld, to compile BPF objects and the workload
#   lint      shellcheck
set -euo pipefail

# The major version of the compiler is part of its name; the objects in the
# repository were made with this one.
readonly clang=14

packages=()

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

collect() {
  case $1 in
    vmtest)
      need qemu-system-x86_64 qemu-system-x86
      # The keys of the kernels' archive; elsewhere a kernel is given by path.
      ! command -v apt-get >/dev/null ||
        need_file /usr/share/keyrings/debian-archive-keyring.gpg debian-archive-keyring
      ;;
    faults)
      need_file /usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 libfaketime
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
      echo "setup.sh: $1: want vmtest, faults, generate or lint" >&2
      exit 2
      ;;
  esac
}

install_packages() {
  local as_root=()
  if ! command -v apt-get >/dev/null; then
    echo "setup.sh: this system has no apt. Install what these Debian packages hold: ${packages[*]}" >&2
    exit 1
  fi
  if [[ $EUID -ne 0 ]]; then
    command -v sudo >/dev/null || {
      echo "setup.sh: not root, and no sudo. As root: apt-get install ${packages[*]}" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  echo "setup.sh: install ${packages[*]}" >&2
  "${as_root[@]}" apt-get update -q >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends "${packages[@]}" >&2
}

[[ $# -gt 0 ]] || set -- vmtest faults generate lint
for part in "$@"; do
  collect "$part"
done
[[ ${#packages[@]} -eq 0 ]] || install_packages
