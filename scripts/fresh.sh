#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs the commands of the README where nothing else has been installed: in a
# minimal root of Debian with the requirements of docs/install.md, on a fresh clone of
# HEAD.
#
# usage: fresh.sh [--without PACKAGE] [--empty] [COMMAND...]
#   --without PACKAGE  have scripts/setup.sh forget the package; it must fail then
#   --empty            start with empty caches, not with those of this machine
#   COMMAND            run this in the clone, as root, in place of the commands
#
# Needs root, Go, git, and a mirror of Debian in this machine's apt sources. Takes
# about 2 GiB of memory: the root is on a tmpfs, in a mount namespace of its own.
set -euo pipefail
cd "$(dirname "$0")/.."

# The requirements of docs/install.md, but for Go, which is this machine's.
readonly requirements=ca-certificates,git,make

die() {
  echo "fresh.sh: $*" >&2
  exit 1
}

# step NAME COMMAND...: runs the command and prints how long it took.
step() {
  step=$1 begun=$SECONDS
  shift
  echo "== $step"
  "$@"
  echo "== $step: $((SECONDS - begun)) s"
  step=
}

# sources prints the Debian part of this machine's apt sources.
sources() {
  # shellcheck disable=SC2016 # apt's variables
  apt-get indextargets 'Created-By: Packages' 'Origin: Debian' --format \
    'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' | sort -u
}

# make_root: its network is this machine's: mirror, proxies, names, and authorities
# to trust, which the package ca-certificates looks for when it is installed.
make_root() {
  local found options
  local authorities=/usr/local/share/ca-certificates
  found=$(sources)
  if [[ -z $found ]]; then # no lists yet
    apt-get update -q
    found=$(sources)
  fi
  [[ -n $found ]] || die "no mirror of Debian in this machine's apt sources"
  mapfile -t options < <(apt-config dump --format '%F "%v";%n' | sed -nE 's/^Acquire::(https?|Check-)/--aptopt=&/p')
  [[ ! -d $authorities ]] || options+=("--setup-hook=mkdir -p \"\$1$authorities\" && cp -r $authorities/. \"\$1$authorities\"")
  mmdebstrap --quiet --mode=root --variant=minbase --include="$requirements" "${options[@]}" '' "$root" - <<<"$found"
  cp --dereference /etc/resolv.conf /etc/hosts "$root/etc/"
  # No service is started in it.
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
}

# clone DIR makes the clone as a user would. It takes $without for installed, and a
# part that has nothing else for one that needs nothing.
clone() {
  git clone --quiet "file://$PWD" "$1"
  [[ -z $without ]] || sed -i -E "s|^([a-z]+ +$without) .*|\1 file /|" "$1/scripts/setup.sh"
}

# share FROM TO: a directory of this machine, in the root.
share() {
  mkdir -p "$1" "$root$2"
  mount --bind "$1" "$root$2"
}

mount_all() {
  share "$(go env GOROOT)" /usr/local/go
  mount -o remount,bind,ro "$root/usr/local/go"
  if [[ -z $empty ]]; then
    local caches=${XDG_CACHE_HOME:-$HOME/.cache}
    share "$(go env GOCACHE)" /root/.cache/go-build
    share "$(go env GOMODCACHE)" /root/go/pkg/mod
    share "${RINGTWIN_CACHE:-$caches/ringtwin}" /root/.cache/ringtwin
    # Root's belong to root: the ordinary user's are kept apart, from run to run.
    share "$caches/ringtwin-fresh/cache" /home/user/.cache
    share "$caches/ringtwin-fresh/go" /home/user/go
    chown 1000:1000 "$root/home/user/.cache" "$root/home/user/go"
  fi
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  # As they are mounted on any machine: experiments move into a cgroup of their own.
  [[ ! -d /sys/fs/cgroup ]] || mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
  mount --bind /dev "$root/dev"
  mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$root/dev/pts"
  mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
}

# enter makes the root that of this process: nothing of the machine is left in sight.
enter() {
  mkdir "$root/old"
  cd "$root"
  pivot_root . old
  PATH=/usr/sbin:/usr/bin:/sbin:/bin
  hash -r
  umount --lazy old
  rmdir old
}

# as USER COMMAND...: in the user's clone, with the environment of a login. CI has a
# test fail that would be skipped.
as() {
  local home=/root path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
  if [[ $1 != root ]]; then
    home=/home/$1 path=/usr/local/bin:/usr/bin:/bin
  fi
  setpriv --reuid="$1" --regid="$1" --init-groups env --ignore-environment --chdir="$home/ringtwin" \
    HOME="$home" USER="$1" PATH="/usr/local/go/bin:$path" TERM="${TERM:-dumb}" CI=true "${network[@]}" "${@:2}"
}

# refuse: an ordinary user without QEMU is told what root has to install.
refuse() {
  local output
  if output=$(as user make vmtest KERNEL=6.1 2>&1); then
    die "make vmtest succeeds without QEMU: $output"
  fi
  echo "$output"
  [[ $output == *'missing: qemu-system-x86'*'As root, run: scripts/setup.sh vmtest'* ]] ||
    die "this is not what to install as root"
}

# inside is what runs in the namespaces.
inside() {
  trap '[[ -z ${step-} ]] || echo "== $step: failed after $((SECONDS - begun)) s"' EXIT
  mount -t tmpfs -o mode=755,size=75% tmpfs "$root"
  step 'a minimal root' make_root
  chroot "$root" useradd --uid 1000 --create-home user
  clone "$root/root/ringtwin"
  clone "$root/home/user/ringtwin"
  chown -R 1000:1000 "$root/home/user"
  # How Go reaches its modules; not GOFLAGS, which may hide what the repository needs.
  network=()
  local name
  for name in GOPROXY GOSUMDB GONOPROXY GONOSUMDB GOPRIVATE GOINSECURE; do
    network+=("$name=$(go env "$name")")
  done
  for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [[ -z ${!name-} ]] || network+=("$name=${!name}")
  done
  mount_all
  enter

  if [[ $# -gt 0 ]]; then
    step "$*" as root "$@"
    return
  fi
  step 'make vmtest as a user, without QEMU' refuse
  step 'make vmtest KERNEL=6.1' as root make vmtest KERNEL=6.1
  step 'make vmtest KERNEL=6.1 as a user' as user make vmtest KERNEL=6.1
  step 'make test' as root make test
}

main() {
  without='' empty=''
  while [[ ${1-} == -* ]]; do
    case $1 in
      --without) without=${2:?usage: fresh.sh --without PACKAGE} && shift ;;
      --empty) empty=yes ;;
      *) sed -n '2,/^set/s/^# \{0,1\}//p' scripts/fresh.sh >&2 && exit 2 ;;
    esac
    shift
  done
  # A terminal stays; nobody types anything else.
  [[ -t 0 ]] || exec </dev/null

  # The second time, in the namespaces.
  if [[ -n ${FRESH_ROOT-} ]]; then
    root=$FRESH_ROOT
    inside "$@"
    exit
  fi

  [[ $EUID -eq 0 ]] || die "not root, to make a root of its own"
  [[ -z $without ]] || scripts/setup.sh --list | grep -qw -- "$without" || die "scripts/setup.sh does not install $without"
  scripts/setup.sh fresh
  [[ -z $(git status --porcelain) ]] || echo "fresh.sh: the clone is of HEAD, without the uncommitted changes here" >&2

  # Whatever ends this script ends the first process of the namespaces, and with
  # it all others and all mounts. As a process in the background it would ignore
  # Ctrl-C, and so would all tests.
  root=$(mktemp -d)
  trap '{ [[ -z ${child-} ]] || kill -KILL "$child" && wait "$child"; } 2>/dev/null || true; rmdir "$root"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  FRESH_ROOT=$root env --default-signal=INT,QUIT setpriv --pdeathsig KILL \
    unshare --mount --pid --fork --kill-child \
    scripts/fresh.sh ${without:+--without "$without"} ${empty:+--empty} "$@" <&0 &
  child=$!
  wait "$child"
}

main "$@"
