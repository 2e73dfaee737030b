#!/usr/bin/env bash
# Makes a Wine run-time for the lanes os and win32 beside the DLL set that fetch.sh has fetched, of the same version:
#   .../wine-VERSION/run/usr/lib/wine/{wine64,wine,wineserver64}
# It is private: nothing is installed, and the machine gets no foreign architecture. What Debian 12's loaders need besides
# the C library (libunwind8, liblzma5; x64 alone) lies in run/lib64; the i386 C library is gcc-multilib's, without which
# x86 programs cannot run. `wine` is a true i386 Wine: wine64's own way to run x86 programs (its WoW64 mode) ends them
# silently at exceptions. There is no i386 FreeType here, on purpose: with one, programs that load user32 start a desktop.
set -euo pipefail
umask 022

say() { printf 'peload: Wine: %s\n' "$*"; }
fail() { printf 'peload: Wine: %s\n' "$*" >&2; exit 1; }

[ -n "${PELOAD_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-}" ] || fail "no place to keep it: set HOME or PELOAD_CACHE"
cache=${PELOAD_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/peload}
[ -f "$cache/current/nls/locale.nls" ] || fail "the DLL set of fetch.sh is not there"
cache=$(cd "$cache" && pwd -P)

is_complete() { [ -x "$1/run/usr/lib/wine/wine64" ] && [ -f "$1/x86_64-unix/ntdll.so" ]; }
is_complete "$cache/current" && exit 0
exec 9>"$cache/lock"
flock 9
is_complete "$cache/current" && exit 0

work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
rm -rf "$cache"/incoming.*
work=$(mktemp -d "$cache/incoming.XXXXXX")
set=$(cd "$cache/current" && pwd -P)
version=${set##*/wine-}
. "$(dirname "$0")/archive.sh"

SECONDS=0
say "downloading the Wine $version run-time"
# A rebuild of one architecture (+bN) does not make it another version.
wanted() {      # PACKAGE:ARCHITECTURE -> PACKAGE:ARCHITECTURE=VERSION
  local found
  found=$({ apt-cache "${apt_private[@]}" madison "$1" 2>>"$log" || true; } | awk -F ' *[|] *' -v version="$version" \
    '{ plain = $2; sub(/[+]b[0-9]+$/, "", plain) } plain == version { print $2; exit }')
  [ -n "$found" ] || return 1
  printf '%s=%s' "$1" "$found"
}
# Each on its own: a failure inside of a list would go unnoticed.
names=(wine64:amd64 wine32:i386)
# A set that an earlier peload fetched has no Unix half.
[ -f "$set/x86_64-unix/ntdll.so" ] && [ -f "$set/i386-unix/ntdll.so" ] && [ -f "$set/wine.inf" ] ||
  names+=(libwine:amd64 libwine:i386)
missing=
packages_find() {
  local name package
  packages=(libunwind8:amd64 liblzma5:amd64)
  lists_read
  for name in "${names[@]}"; do
    missing=$name
    package=$(wanted "$name") || return 1
    packages+=("$package")
  done
}
again packages_find || fail "the Debian archive has no $missing $version ($(first_error))"
packages_load "${packages[@]}" ||
  fail "the download failed ($(first_error))"

unpack() {      # FOLDER, PACKAGE FILE, then options for tar
  mkdir -p "$1"
  dpkg-deb --fsys-tarfile "$2" | tar -C "$1" -x --no-same-owner --wildcards "${@:3}" 2>"$log" ||
    fail "${2##*/} could not be unpacked ($(head -n 1 "$log"))"
}
for deb in "$work"/libwine_*.deb; do
  unpack "$set" "$deb" '--transform=s,^.*/wine/,,' '*-unix/?*.so' '*/wine/wine.inf'
done
# As in fetch.sh, for a set that an earlier peload fetched.
for dll in "$set"/{x86_64,i386}-windows/zlib1.dll; do
  { head -c 64 "$dll"; printf 'Wine builtin DLL'; head -c 16 /dev/zero; tail -c +97 "$dll"; } >"$work/zlib1.dll"
  mv "$work/zlib1.dll" "$dll"
done

run=$work/run
for deb in "$work"/wine{64,32}_*.deb; do unpack "$run" "$deb" './usr/lib/wine/?*'; done
for deb in "$work"/lib{unwind8,lzma5}_*.deb; do
  unpack "$run/lib64" "$deb" '--transform=s,^.*/,,' '*/lib*.so.?*'
done
# Where Wine looks for the two halves of its DLLs and for its data: all of that is the set itself.
mkdir -p "$run"/usr/lib/{x86_64,i386}-linux-gnu "$run/usr/share"
ln -s ../../../.. "$run/usr/lib/x86_64-linux-gnu/wine"
ln -s ../../../.. "$run/usr/lib/i386-linux-gnu/wine"
ln -s ../../.. "$run/usr/share/wine"
[ -x "$run/usr/lib/wine/wine64" ] && [ -x "$run/usr/lib/wine/wineserver64" ] || fail "the packages hold no wine64"

rm -rf "$set/run"
mv -T "$run" "$set/run"
say "$set/run ($SECONDS s)"
