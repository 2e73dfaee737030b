#!/usr/bin/env bash
# Fetches the guest DLL sets: the Windows DLLs above ntdll, and ntdll itself, are real PE files in Debian's libwine
# packages; zlib1.dll, which some of them import, is in libz-mingw-w64. Only those files and the NLS tables are kept, in
#   ${PELOAD_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/peload}/wine-VERSION/{x86_64-windows,i386-windows,nls}
# with a link `current` to it, and Wine's Unix half (10 MB) for fetch-wine.sh. A set appears by one rename, when it is
# proved; where it stands already, nothing is done and no network is asked.
#   PELOAD_DLL_SUITE=trixie fetch.sh    the set of another Debian release, with a link of that name; `current` stays
set -euo pipefail
umask 022

say() { printf 'peload: guest DLL sets: %s\n' "$*"; }
fail() { printf 'peload: guest DLL sets: %s\n' "$*" >&2; exit 1; }

[ -n "${PELOAD_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-}" ] || fail "no place to keep them: set HOME or PELOAD_CACHE"
cache=${PELOAD_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/peload}

suite=${PELOAD_DLL_SUITE:-}
link=${suite:-current}
case $link in *[!a-z0-9-]*|wine-*|musl-*|bound|lock|incoming*) fail "PELOAD_DLL_SUITE: $link is no name of a Debian release" ;; esac

is_complete() {
  local file
  for file in {x86_64,i386}-windows/{ntdll,zlib1}.dll nls/locale.nls; do [ -f "$1/$file" ] || return 1; done
}

is_complete "$cache/$link" && exit 0

mkdir -p "$cache" 2>/dev/null || fail "cannot make the folder $cache"
cache=$(cd "$cache" && pwd -P)
# One at a time: a second run waits here, and then finds the set in its place.
exec 9>"$cache/lock"
flock 9
is_complete "$cache/$link" && exit 0

work=
trap '[ -z "$work" ] || rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
rm -rf "$cache"/incoming.*          # left by a run that was killed: the lock is ours, so nobody works there
work=$(mktemp -d "$cache/incoming.XXXXXX")

point_to() {
  ln -s "$1" "$work/link"
  mv -T "$work/link" "$cache/$link"
}

# A set that stands there without its link needs no network either.
for set in $(cd "$cache" && printf '%s\n' wine-* | sort -rV); do
  if [ -z "$suite" ] && is_complete "$cache/$set"; then
    point_to "$set"
    say "using $cache/$set"
    exit 0
  fi
done

. "$(dirname "$0")/archive.sh"

# Version, download ----------------------------------------------------------------------------------------------

SECONDS=0
say "reading the package lists of Debian ${codename:-} (amd64, i386)"
versions_of() { { apt-cache "${apt_private[@]}" madison "libwine:$1" 2>>"$log" || true; } | awk -F ' *[|] *' '{ print $2 }'; }

# Both halves must be of one version; a rebuild of one architecture (+bN) does not make it another.
versions_read() {
  lists_read
  versions_of amd64 >"$work/amd64"
  versions_of i386 >"$work/i386"
  [ -s "$work/amd64" ] && [ -s "$work/i386" ]
}
if ! again versions_read; then
  grep -qE '^(E: |W: Failed)' "$log" && fail "the Debian archive could not be reached ($(first_error))"
  fail "the Debian archive has no libwine for amd64 and i386"
fi
version=$(comm -12 <(sed 's/+b[0-9]*$//' "$work/amd64" | sort -u) <(sed 's/+b[0-9]*$//' "$work/i386" | sort -u) |
  sort -V | tail -n 1)
[ -n "$version" ] || fail "libwine has different versions for amd64 and i386 in this archive"
if is_complete "$cache/wine-$version"; then # it stands there already, under another link
  point_to "wine-$version"
  say "using $cache/wine-$version"
  exit 0
fi
full_version() { grep -Fx -e "$version" "$work/$1" || grep -F -e "$version+b" "$work/$1" | sort -V | tail -n 1; }

free_kb=$(df -Pk "$work" | awk 'NR == 2 { print $4 }')
[ "$free_kb" -gt 1700000 ] || fail "1.7 GB are needed in $cache, and only $((free_kb / 1024)) MB are free"

say "downloading libwine $version for amd64 and i386 (about 200 MB)"
packages_load "libwine:amd64=$(full_version amd64)" "libwine:i386=$(full_version i386)" libz-mingw-w64 ||
  fail "the download of libwine failed ($(first_error))"

# Unpack, prove, put in place ------------------------------------------------------------------------------------

set=$work/set
mkdir "$set"
unpack() {      # ARCHITECTURE, then the folders wanted below .../wine/
  local deb=("$work"/libwine_*_"$1".deb)
  dpkg-deb --fsys-tarfile "${deb[0]}" |
    tar -C "$set" -x -vv --no-same-owner --no-same-permissions --transform='s,^.*/wine/,,' --show-transformed-names \
      --wildcards "${@:2}" >"$work/$1.listing" 2>"$log" ||
    fail "libwine for $1 could not be unpacked ($(head -n 1 "$log"))"
}
say "unpacking"
unpack amd64 '*/wine/x86_64-windows/?*' '*/wine/nls/?*.nls' '*/wine/x86_64-unix/?*.so' '*/wine/wine.inf'
unpack i386 '*/wine/i386-windows/?*' '*/wine/i386-unix/?*.so'

# Every file has the size that the package's own list tells, and each ntdll is a PE file.
prove() {
  local listing=$1 mode size file rest checked=0
  while read -r mode _ size _ _ file rest; do
    case $mode in -*) ;; *) continue ;; esac
    [ -z "$rest" ] && [ "$(stat -c %s "$set/$file")" = "$size" ] || fail "$file is not as the package lists it"
    checked=$((checked + 1))
  done <"$listing"
  [ "$checked" -gt 0 ] || fail "the package holds no PE files where they were expected"
}
zlib=("$work"/libz-mingw-w64_*.deb)
for pair in x86_64-w64-mingw32:x86_64-windows i686-w64-mingw32:i386-windows; do
  dpkg-deb --fsys-tarfile "${zlib[0]}" | tar -x -O "./usr/${pair%:*}/lib/zlib1.dll" >"$work/zlib1.dll" 2>"$log" ||
    fail "libz-mingw-w64 could not be unpacked ($(head -n 1 "$log"))"
  # Wine takes DLLs from its own folder only with this mark in place of the DOS program.
  { head -c 64 "$work/zlib1.dll"; printf 'Wine builtin DLL'; head -c 16 /dev/zero; tail -c +97 "$work/zlib1.dll"; } \
    >"$set/${pair#*:}/zlib1.dll"
done

prove "$work/amd64.listing"
prove "$work/i386.listing"
is_complete "$set" || fail "libwine $version holds no ntdll.dll, no zlib1.dll or no NLS tables where they were expected"
for ntdll in "$set"/*-windows/ntdll.dll; do
  [ "$(head -c 2 "$ntdll")" = MZ ] || fail "${ntdll#"$set"/} is no PE file"
done

rm -rf "$cache/wine-$version"       # only an incomplete one can stand there
mv -T "$set" "$cache/wine-$version"
point_to "wine-$version"
say "$(du -sh "$cache/wine-$version" | cut -f 1) in $cache/wine-$version ($SECONDS s)"
