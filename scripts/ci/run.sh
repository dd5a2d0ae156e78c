#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# Runs one command of ringtwin on kernels, with its annotations, summary and outputs.
#
# environment:
#   KERNELS    names, separated by spaces
#   RUN        go test ..., exec ..., facts ..., vmtest ..., plan, lock FILE or merge DIRECTORY
#   CLOCK, GATES, BASELINE, LOCK_FILE, OUT  as the inputs of action.yml
#   ACCEL      auto, kvm or tcg
#   CACHE_HIT  true: the kernels of today are in the cache
#   GITHUB_OUTPUT, GITHUB_STEP_SUMMARY  of the runner
set -euo pipefail

shopt -s nullglob # merge of no directory at all
temp=$(mktemp -d)
trap 'rm -rf "$temp"' EXIT

# say_failed TEXT: what there is to say when the program did not say it itself.
say_failed() {
  echo "::error title=ringtwin::$1"
  printf '**%s**\n\n' "$1" >>"$temp/summary.md"
}

# words TEXT: its words into the array words, quoted as in a shell; nothing is expanded.
words() {
  mapfile -d '' -t words < <(xargs -r printf '%s\0' <<<"$1")
}

# ringtwin_ COMMAND...: sets code. What it prints passes through a pipe, since some
# runners give steps a terminal without a size. Steps have nothing to read.
ringtwin_() {
  local command=$1
  shift
  local reports=(--annotations on --summary "$temp/summary.md" --outputs "$temp/outputs")
  code=0
  ringtwin "$command" "${reports[@]}" "$@" </dev/null 2>&1 | tee "$temp/log" || code=${PIPESTATUS[0]}
  if [[ $code -ne 0 && ! -s $temp/summary.md ]]; then
    say_failed "ringtwin $command: exit code $code: $(grep -v '^::' "$temp/log" | tail -n 1)"
  fi
}

# value KEY: the last value of an output of the program.
value() {
  [[ ! -f $temp/outputs ]] || sed -n "s/^$1=//p" "$temp/outputs" | tail -n 1
}

# run: the command of RUN, on KERNELS.
run() {
  local from=() machine names=()
  if [[ -n $LOCK_FILE ]]; then
    from=(--locked --lock-file "$LOCK_FILE")
  elif [[ $CACHE_HIT == true ]]; then
    from=(--offline)
  fi
  machine=("${from[@]}" --accel "$ACCEL")
  [[ $ACCEL != auto ]] || machine+=(--expect-kvm) # the machine has it
  words "$KERNELS"
  names=("${words[@]}")
  words "$RUN"
  case "${words[*]:0:2}" in
    'go test'*) ringtwin_ test --kernel "${names[*]}" --out "$OUT" "${machine[@]}" -- "${words[@]:2}" ;;
    exec*) ringtwin_ exec --kernel "${names[*]}" "${machine[@]}" "${words[@]:1}" ;;
    facts*) ringtwin_ facts "${names[@]}" --out "$OUT" "${machine[@]}" "${words[@]:1}" ;;
    vmtest*) ringtwin_ vmtest "${names[@]}" --out "$OUT" --clock "$CLOCK" "${machine[@]}" "${words[@]:1}" ;;
    plan) plan "${names[@]}" "${from[@]}" ;;
    lock*) lock "${names[@]}" --lock-file "${words[1]:?lock FILE}" ;;
    merge*) ringtwin_ merge --out "$OUT" --expect "${names[*]}" "${words[1]:?merge DIRECTORY}"/*/ ;;
    *)
      code=2
      say_failed "run: $RUN: want go test, exec, facts or vmtest; or plan, lock FILE, merge DIRECTORY"
      ;;
  esac
}

# plan ARGUMENTS...: outputs what the names mean.
plan() {
  local matrix
  code=0
  matrix=$(ringtwin plan --matrix "$@") || code=$?
  if [[ $code -ne 0 ]]; then
    say_failed "ringtwin plan: exit code $code: see the log"
    return
  fi
  echo "matrix=$matrix" >>"$GITHUB_OUTPUT"
  echo "kernels=$(grep -o '"kernel":"[^"]*"' <<<"$matrix" | cut -d '"' -f 4 | xargs)" >>"$GITHUB_OUTPUT"
}

# lock ARGUMENTS...: fetches the kernels, and pins them.
lock() {
  code=0
  ringtwin kernels lock "$@" || code=$?
  [[ $code -eq 0 ]] || say_failed "ringtwin kernels lock: exit code $code: see the log"
}

# apply_gates: compares with the baseline. What failed comes first in the summary.
apply_gates() {
  local measured=$code gates=() gate
  while read -r gate; do
    [[ -z $gate ]] || gates+=(--gate "$gate")
  done <<<"$GATES"
  mv "$temp/summary.md" "$temp/measured.md"
  ringtwin_ compare "$BASELINE" "$report/results.jsonl" "${gates[@]}"
  if [[ $code -eq 0 ]]; then
    mv "$temp/summary.md" "$temp/compared.md"
    cat "$temp/measured.md" "$temp/compared.md" >"$temp/summary.md"
  else
    cat "$temp/measured.md" >>"$temp/summary.md"
  fi
  # A comparison that failed is not hidden by what was not measured.
  [[ $code -eq 1 || $measured -eq 0 ]] || code=$measured
}

# failed_kernels prints those of all commands, each once.
failed_kernels() {
  [[ ! -f $temp/outputs ]] || sed -n 's/^failed_kernels=//p' "$temp/outputs" | tr ' ' '\n' | awk 'NF && !seen[$0]++' | xargs
}

# outcome prints the worst that the program said, and without any what its exit code says:
# that of exec is the program's that it ran.
outcome() {
  local said
  for said in failed incomplete passed; do
    if [[ -f $temp/outputs ]] && grep -qx "outcome=$said" "$temp/outputs"; then
      echo "$said"
      return
    fi
  done
  case $code in
    0) echo passed ;;
    3 | 125) echo incomplete ;;
    *) echo failed ;;
  esac
}

[[ -z $GATES || -n $BASELINE ]] || {
  say_failed 'gates without a baseline: set baseline to the results.jsonl of an earlier run'
  code=2 report=''
}
if [[ ! -v code ]]; then
  run
  report=$(value report)
  [[ -z $GATES || -z $report ]] || apply_gates
fi
outcome=$(outcome)
{
  echo "outcome=$outcome"
  echo "failed_kernels=$(failed_kernels)"
  echo "report=$report"
  [[ $outcome == incomplete || $code -eq 2 ]] || echo fetched=true
} >>"$GITHUB_OUTPUT"
[[ ! -f $temp/summary.md ]] || cat "$temp/summary.md" >>"$GITHUB_STEP_SUMMARY"
exit "$code"
