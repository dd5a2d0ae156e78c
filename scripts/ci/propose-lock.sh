#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Proposes a lock file as a pull request, unless it is the one in the repository. A branch
# that is there already is replaced, and so is its pull request's content.
#
# usage: propose-lock.sh FILE
# environment: GITHUB_TOKEN, GITHUB_SERVER_URL, GITHUB_API_URL, GITHUB_REPOSITORY
set -euo pipefail

readonly lock=.github/kernels.lock branch=lock-kernels
new=${1:?usage: propose-lock.sh FILE}

if cmp -s "$new" "$lock"; then
  echo 'The kernels are those of the lock file.'
  exit
fi

# The credentials are of this script alone, and not stored.
header="AUTHORIZATION: basic $(printf 'x-access-token:%s' "$GITHUB_TOKEN" | base64 -w 0)"
cp "$new" "$lock"
git -c user.name=github-actions -c user.email=github-actions@users.noreply.github.com \
  commit --quiet -m 'ci: lock the newest kernels' -- "$lock"
GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader GIT_CONFIG_VALUE_0=$header \
  git push --quiet --force "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY" "HEAD:refs/heads/$branch"

# 422: there is one for this branch, which has the new commit now.
body=$(printf '{"title":"ci: lock the newest kernels","head":"%s","base":"main","body":"%s"}' "$branch" \
  'All kernels were booted and measured by the scheduled run. Close and reopen this to run its checks.')
status=$(curl -sS -o /dev/stderr -w '%{http_code}' -X POST "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/pulls" \
  -H "Authorization: Bearer $GITHUB_TOKEN" -H 'Accept: application/vnd.github+json' -d "$body")
case $status in
  201) echo 'Opened a pull request.' ;;
  422) echo 'The pull request is there, and has the new lock.' ;;
  *)
    echo "::error title=propose-lock.sh::the pull request was not opened: HTTP status $status"
    exit 1
    ;;
esac
