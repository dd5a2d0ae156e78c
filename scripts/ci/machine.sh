#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Prepares a runner: QEMU, the sources of kernels, access to KVM; and says what the cache
# of kernels is called.
#
# environment:
#   KVM        auto, require or off
#   KERNELS, LOCK_FILE  which kernels
#   RUN        what will be done with them
#   GITHUB_ACTION_PATH, GITHUB_ENV, GITHUB_OUTPUT, RUNNER_TEMP  of the runner
set -euo pipefail

# The device, for tests of this script.
readonly device=${KVM_DEVICE:-/dev/kvm}

die() {
  echo "::error title=the machine is not ready::$*"
  echo "**the machine is not ready**: $*" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
  exit 1
}

output() { echo "$1=$2" >>"$GITHUB_OUTPUT"; }

as_root() {
  if [[ $EUID -eq 0 ]]; then
    "$@"
  else
    sudo "$@"
  fi
}

# packages: QEMU; and elsewhere than on Debian the sources of Debian's kernels, which are
# more than Ubuntu's.
packages() {
  "$GITHUB_ACTION_PATH/scripts/setup.sh" vmtest || die "QEMU is not installed, and could not be: see the log"
  if [[ -z ${RINGTWIN_APT-} ]] && ! grep -qxE 'ID="?debian"?' /etc/os-release; then
    # It knows the mirrors of all distributions of the family.
    [[ -n ${RINGTWIN_DEBIAN-} || -e /usr/share/python-apt/templates/Debian.info ]] ||
      as_root apt-get install -y -q --no-install-recommends python-apt-common >&2 || true
    "$GITHUB_ACTION_PATH/scripts/ci/debian-sources.sh" "$RUNNER_TEMP/ringtwin-apt" ||
      die "there is no mirror to get Debian's kernels from. Install python-apt-common, or set RINGTWIN_DEBIAN to one"
    echo "RINGTWIN_APT=$RUNNER_TEMP/ringtwin-apt" >>"$GITHUB_ENV"
  fi
}

# kvm prints the accelerator. auto is for machines with KVM: ringtwin proves it by booting.
# The device of GitHub's runners belongs to a group without the runner's user.
kvm() {
  if [[ $KVM != off && -e $device && ! ( -r $device && -w $device ) ]]; then
    as_root chmod a+rw "$device" >&2 || true
  fi
  case $KVM in
    off) echo tcg ;;
    require) echo kvm ;;
    *)
      if [[ -e $device ]]; then
        echo auto
      else
        echo "This machine has no $device: VMs are emulated" >&2
        echo tcg
      fi
      ;;
  esac
}

# cache: the name of the cache is that of its content: the kernels by name, and what these
# are exactly, which is in the lock file, or else depends on the day. Package lists and
# snapshots are larger than what they save.
cache() {
  local dir=${RINGTWIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ringtwin} exactly names
  if [[ -n $LOCK_FILE ]]; then
    [[ -f $LOCK_FILE ]] || die "lock-file $LOCK_FILE: there is no such file. ringtwin kernels lock $KERNELS writes it"
    exactly=$(sha256sum <"$LOCK_FILE")
  else
    exactly=$(date -u +%F)
  fi
  names=$(xargs <<<"$KERNELS" | sha256sum)
  output cache-key "ringtwin-kernels-1-$(uname -m)-${names:0:16}-${exactly:0:16}"
  {
    echo 'cache-paths<<END'
    printf '%s\n' "$dir/kernels" "$dir/refs" END
  } >>"$GITHUB_OUTPUT"
}

[[ $KVM =~ ^(auto|require|off)$ ]] || die "kvm: $KVM: want auto, require or off"
[[ -n ${KERNELS// /} ]] || die "kernels: want one at least, such as 6.1"
packages
accel=$(kvm)
output accel "$accel"
# Other commands fetch no kernel, and must not write a cache without one.
if [[ $RUN =~ ^\ *(go|exec|facts|vmtest)(\ |$) ]]; then
  output boots true
  cache
fi
