#!/usr/bin/env bash
# Fetches musl for i386, with which the 32-bit host is linked, out of Debian's musl-dev package into
#   ${PELOAD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peload}/musl-i386/{include,lib}
# The package for amd64 is installed like any other; this one would need a foreign architecture. Where it stands
# already, nothing is done and no network is asked. Without it the 32-bit host is linked with glibc.
set -euo pipefail
umask 022

say() { printf 'peload: musl for i386: %s\n' "$*"; }
fail() { printf 'peload: musl for i386: %s; the 32-bit host will be linked with glibc\n' "$*" >&2; exit 1; }

[ -n "${PELOAD_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-}" ] || fail "no place to keep it: set HOME or PELOAD_CACHE"
cache=${PELOAD_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/peload}

is_complete() { [ -f "$1/lib/libc.a" ] && [ -f "$1/lib/crt1.o" ] && [ -f "$1/include/stdio.h" ]; }
is_complete "$cache/musl-i386" && exit 0

mkdir -p "$cache" 2>/dev/null || fail "cannot make the folder $cache"
cache=$(cd "$cache" && pwd -P)
exec 9>"$cache/lock"
flock 9
is_complete "$cache/musl-i386" && exit 0

work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
work=$(mktemp -d "$cache/incoming.XXXXXX")
. "$(dirname "$0")/archive.sh"
musl_load() { lists_read; packages_load_once musl-dev:i386; }
again musl_load || fail "the download failed ($(first_error))"
mkdir "$work/all" "$work/set"
deb=("$work"/musl-dev_*_i386.deb)
dpkg-deb -x "${deb[0]}" "$work/all" || fail "the package could not be unpacked"
mv "$work/all/usr/include/i386-linux-musl" "$work/set/include" && mv "$work/all/usr/lib/i386-linux-musl" "$work/set/lib" &&
  is_complete "$work/set" || fail "the package does not hold what was expected"
rm -rf "$cache/musl-i386"           # only an incomplete one can stand there
mv -T "$work/set" "$cache/musl-i386"
say "in $cache/musl-i386"
