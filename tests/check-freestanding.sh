#!/usr/bin/env bash
# Proves that pe/ is what it says: with no C library beneath it, for both word sizes, its objects together need
# nothing from outside but memcpy, memmove, memset and memcmp (which the compiler itself may call), and hold no
# memory that can be written.
#   check-freestanding.sh COMPILER FOLDER
set -euo pipefail
compiler=$1 folder=$2
sources=(pe/*.c)
[ -f "${sources[0]}" ] || { echo "check-freestanding: no sources in pe/" >&2; exit 1; }
mkdir -p "$folder"
status=0

for bits in 64 32; do
  objects=()
  for source in "${sources[@]}"; do
    object=$folder/$(basename "$source" .c).$bits.o
    "$compiler" -m$bits -std=gnu11 -O2 -ffreestanding -fno-stack-protector -fno-pic -I. -c -o "$object" "$source"
    objects+=("$object")
  done
  whole=$folder/pe.$bits.whole
  "$compiler" -m$bits -nostdlib -r -o "$whole" "${objects[@]}"

  foreign=$(nm --undefined-only --format=posix "$whole" | cut -d ' ' -f 1 | grep -vxE 'mem(cpy|move|set|cmp|chr)' || true)
  if [ -n "$foreign" ]; then
    echo "check-freestanding: pe/ ($bits bits) calls what it must not:" $foreign >&2
    status=1
  fi

  # objdump tells a section in two lines; the second holds its flags. COMMON has no section and shows in nm only.
  writable=$(objdump -h "$whole" | awk '
    $1 ~ /^[0-9]+$/ { name = $2; size = $3; next }
    /ALLOC/ && !/READONLY/ && size !~ /^0+$/ { print name }')
  writable+=$(nm --format=posix "$whole" | awk '$2 ~ /^[CbBdD]$/ { print " " $1 }')
  if [ -n "$writable" ]; then
    echo "check-freestanding: pe/ ($bits bits) keeps state:" $writable >&2
    status=1
  fi
done

[ $status = 0 ] && echo "pe/: freestanding for 64 and 32 bits, ${#sources[@]} sources, nothing but mem* from outside, no state"
exit $status
