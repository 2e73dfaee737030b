#!/usr/bin/env bash
# Runs cmocka programs one after another, each with a time limit, and tells how each closed. Of a program that
# fails, everything it printed is shown; of one that passes, the closing lines.
#   run-programs.sh SECONDS PROGRAM... [-- SECONDS PROGRAM...]
set -u
output=$(mktemp)
trap 'rm -f "$output"' EXIT
passed=0 failed=0 skipped=0 limit=$1
shift

count() { sed -n "s/^\[  $1 *\] \([0-9]*\) test(s).*/\1/p" "$output" | awk '{ n += $1 } END { print n + 0 }'; }

while [ $# -gt 0 ]; do
  if [ "$1" = -- ]; then
    limit=${2:-60}
    shift 2
    continue
  fi
  program=$1
  shift
  timeout -k 5 "$limit" "$program" </dev/null >"$output" 2>&1
  status=$?
  good=$(count PASSED) bad=$(count FAILED)
  passed=$((passed + good)) failed=$((failed + bad)) skipped=$((skipped + $(count SKIPPED)))
  # A program that ran no test has proved nothing; one that ended before its closing lines has failed.
  if [ "$status" = 0 ] && [ "$good" -gt 0 ] && [ "$bad" = 0 ]; then
    printf '%s\n' "$program"
    grep -aE '^\[==========\] .* run\.$|^\[  (PASSED |SKIPPED) \] [0-9]+ test|^SKIPPED: ' "$output"
    continue
  fi
  cat "$output"
  case $status in
    0) reason="ran no test" ;;
    124 | 137) reason="ended after $limit s" ;;
    *) reason="exit status $status" ;;
  esac
  printf '%s: FAILED (%s)\n' "$program" "$reason"
  [ "$bad" -gt 0 ] || failed=$((failed + 1))
done

if [ "$skipped" -gt 0 ]; then
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
else
  printf '%d passed, %d failed\n' "$passed" "$failed"
fi
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
