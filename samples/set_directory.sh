#!/bin/sh
# Enters a table into a data directory of an image that GNU ld leaves empty (10 load configuration, 13 delay imports).
# set_directory.sh TOOL_PREFIX IMAGE INDEX SYMBOL SIZE
set -e
tools=$1 image=$2 index=$3 symbol=$4 size=$5

number() { # offset: the 32-bit number there
    od -A n -t u4 -j "$1" -N 4 "$image" | tr -d ' '
}
bytes() { # a 32-bit number as little-endian escapes for printf
    printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255))
}

optional=$(($(number 60) + 24))
# PE32 has its directories at 96 and a 32-bit ImageBase at 28, PE32+ at 112 and a 64-bit one at 24.
if [ "$(($(number $optional) & 0xffff))" = $((0x20b)) ]; then
    directories=112 base=$(($(number $((optional + 24))) | $(number $((optional + 28))) << 32))
else
    directories=96 base=$(number $((optional + 28)))
fi
address=$("${tools}nm" "$image" | sed -n "s/ [A-Za-z] _\{0,1\}$symbol\$//p")
printf "$(bytes $((0x$address - base)))$(bytes "$size")" |
    dd of="$image" bs=1 seek=$((optional + directories + index * 8)) conv=notrunc 2>/dev/null
