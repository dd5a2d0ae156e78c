#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The last job, which branch protection requires: fails unless all others succeeded. A
# job that is skipped counts as a success there, so this one never is.
#
# environment:
#   RESULTS  lines of a job and its result; a job in parentheses may be skipped
#   FAILED_KERNELS  what the report says
#   GITHUB_STEP_SUMMARY  of the runner
set -euo pipefail

failed=() cancelled=() skipped=()
while read -r job result; do
  case $result in
    success) ;;
    skipped) [[ $job == \(*\) ]] || skipped+=("$job") ;;
    cancelled) cancelled+=("$job") ;;
    *) failed+=("${job//[()]/}") ;;
  esac
done < <(grep . <<<"$RESULTS")

# What was skipped because of a failure is not another one.
if [[ ${#failed[@]} -gt 0 ]]; then
  problem="failed: ${failed[*]}${FAILED_KERNELS:+; kernels: $FAILED_KERNELS}"
elif [[ ${#cancelled[@]} -gt 0 ]]; then
  problem="cancelled: ${cancelled[*]}"
elif [[ ${#skipped[@]} -gt 0 ]]; then
  problem="skipped: ${skipped[*]}"
else
  echo 'All jobs succeeded.' | tee -a "$GITHUB_STEP_SUMMARY"
  exit
fi
echo "::error title=CI::$problem"
echo "**$problem**" >>"$GITHUB_STEP_SUMMARY"
exit 1
