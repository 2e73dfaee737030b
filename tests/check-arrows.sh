#!/usr/bin/env bash
# Proves the design's arrows: who may include whom. Every #include in pe/ and loader/ is held against the first rule
# whose pattern fits the including file; a file that no rule fits is an error too, so that new folders are decided on.
#   check-arrows.sh ROOT
set -euo pipefail
cd "${1:-.}"

# including file | own headers it may include | system headers: none beyond the freestanding ones and string.h, the C
# library without any operating system, or any. PHASE is the phase's own name.
rules='
pe/                          | pe/                                                                       | freestanding
loader/PHASE\.[ch]           | pe/ loader/(module|trace|host|load|apiset|PHASE)\.h                       | library
loader/host\.h               | -                                                                         | freestanding
loader/host/linux/           | loader/host\.h loader/host/[a-z]+\.h loader/host/linux/                   | any
loader/host/win32/           | loader/host\.h loader/host/[a-z0-9]+\.h loader/host/win32/                | any
loader/host/sim/             | loader/host\.h loader/host/[a-z]+\.h loader/host/sim/                     | library
loader/host/[a-z0-9]+\.[ch]  | loader/host\.h loader/host/[a-z0-9]+\.h                                      | library
loader/nt/view/              | loader/nt/ loader/host\.h                                                 | any
loader/nt/ob/                | loader/nt/[a-z_]+\.h loader/nt/ob/ loader/nt/ob/arena\.h loader/nt/ke/objects\.h loader/nt/ps/message\.h loader/host\.h | any
loader/nt/ke/                | loader/nt/[a-z_]+\.h loader/nt/ke/ loader/nt/ob/arena\.h loader/nt/ke/objects\.h loader/nt/ps/message\.h loader/host\.h | any
loader/nt/mm/                | loader/nt/[a-z_]+\.h loader/nt/mm/ loader/nt/ob/arena\.h loader/nt/ke/objects\.h loader/nt/ps/message\.h loader/host\.h | any
loader/nt/ps/                | loader/nt/[a-z_]+\.h loader/nt/ps/ loader/nt/ob/arena\.h loader/nt/ke/objects\.h loader/nt/ps/message\.h loader/host\.h | any
loader/nt/io/                | loader/nt/[a-z_]+\.h loader/nt/io/ loader/nt/ob/arena\.h loader/nt/ke/objects\.h loader/nt/ps/message\.h loader/host\.h | any
loader/nt/cm/                | loader/nt/[a-z_]+\.h loader/nt/cm/ loader/nt/ob/arena\.h loader/nt/ke/objects\.h loader/nt/ps/message\.h loader/host\.h | any
loader/nt/ex/                | loader/nt/[a-z_]+\.h loader/nt/ex/ loader/nt/ob/arena\.h loader/nt/ke/objects\.h loader/nt/ps/message\.h loader/host\.h | any
loader/nt/                   | loader/nt/ loader/host\.h                                                 | any
loader/ldr/                  | loader/ldr/ loader/nt/(abi|types|status)\.h                               | guest
loader/dlls/                 | loader/dlls/ loader/nt/abi\.h                                             | guest
loader/inspect/linux/        | pe/ loader/[a-z0-9_]+\.h loader/inspect/ loader/nt/(view|ob/arena|ob|ke|ps|nt|abi|types|status)\.h | any
loader/inspect/              | pe/ loader/[a-z0-9_]+\.h loader/inspect/                                  | any
loader/native/               | pe/ loader/[a-z0-9_]+\.h loader/(nt|native)/ loader/host/[a-z]+\.h        | any
loader/win32/                | pe/ loader/[a-z0-9_]+\.h loader/win32/ loader/host/win32\.h               | any
loader/cli/win32/            | pe/ loader/[a-z0-9_]+\.h loader/(win32|inspect|cli)/ loader/nt/status\.h loader/host/win32\.h | any
loader/cli/report/           | pe/ loader/[a-z0-9_]+\.h loader/cli/[a-z_]+\.h loader/cli/report/          | library
loader/cli/                  | pe/ loader/[a-z0-9_]+\.h loader/(nt|native|inspect|cli)/ loader/host/[a-z]+\.h | any
loader/[a-z0-9_]+\.[ch]      | pe/ loader/[a-z0-9_]+\.h                                                  | library
'
phases='find|place|fill|relocate|bind|tls|protect|order|start'

freestanding='stdint stddef stdbool stdarg limits stdalign string'
library="$freestanding stdio stdlib inttypes errno assert ctype"

grep -rnE '^[ \t]*#[ \t]*include' --include='*.[chS]' pe loader |
awk -v rules="$rules" -v phases="$phases" -v freestanding="$freestanding" -v library="$library" '
  BEGIN {
    count = split(rules, lines, "\n")
    for (i = 1; i <= count; i++) {
      if (split(lines[i], column, / *[|] /) < 3) continue
      ++last
      match(lines[i], / +[|] /); from[last] = substr(lines[i], 1, RSTART - 1)
      rest = substr(lines[i], RSTART + RLENGTH)
      match(rest, / +[|] [a-z]+ *$/)
      may[last] = substr(rest, 1, RSTART - 1)
      class[last] = substr(rest, RSTART); gsub(/[ |]/, "", class[last])
    }
    count = split(freestanding, words, " "); for (i = 1; i <= count; i++) system_ok["freestanding", words[i] ".h"] = 1
    for (i = 1; i <= count; i++) if (words[i] != "string") system_ok["guest", words[i] ".h"] = 1
    count = split(library, words, " "); for (i = 1; i <= count; i++) system_ok["library", words[i] ".h"] = 1
  }
  # A quoted name is looked for beside the including file first, then from the root, as the compiler does.
  function resolve(file, name,    folder, beside, line) {
    folder = file; sub(/[^\/]*$/, "", folder)
    beside = folder name
    while (match(beside, /[^\/.][^\/]*\/\.\.\//)) beside = substr(beside, 1, RSTART - 1) substr(beside, RSTART + RLENGTH)
    if ((getline line < beside) >= 0) { close(beside); return beside }
    return name
  }
  function forbid(why) { printf "%s:%s: may not include %s (%s)\n", file, number, name, why >"/dev/stderr"; bad++ }
  {
    file = $0; sub(/:.*/, "", file)
    number = substr($0, length(file) + 2); sub(/:.*/, "", number)
    text = substr($0, length(file) + length(number) + 3)
    name = text; sub(/^[ \t]*#[ \t]*include[ \t]*/, "", name); sub(/^"/, "\"", name)
    quoted = name ~ /^"/
    if (!match(name, /^("[^"]+"|<[^>]+>)/)) { forbid("neither a quoted nor a system header"); next }
    name = substr(name, 2, RLENGTH - 2)
    checked++

    phase = ""
    if (match(file, "^loader/(" phases ")\\.[ch]$")) { phase = file; sub(/^loader\//, "", phase); sub(/\..*/, "", phase) }
    for (rule = 1; rule <= last; rule++) {
      pattern = from[rule]
      if (pattern ~ /PHASE/) { if (phase == "") continue; gsub(/PHASE/, phase, pattern) }
      if (file ~ "^" pattern) break
    }
    if (rule > last) { forbid("no rule for this file"); next }

    if (!quoted) {
      if (class[rule] != "any" && !((class[rule], name) in system_ok)) forbid("system headers here: " class[rule])
      next
    }
    name = resolve(file, name)
    allowed = 0
    parts = split(may[rule], part, " ")
    for (i = 1; i <= parts; i++) {
      pattern = part[i]; gsub(/PHASE/, phase, pattern)
      if (name ~ "^" pattern) allowed = 1
    }
    if (!allowed) forbid("rule: " from[rule])
  }
  END {
    if (bad) exit 1
    if (!checked) { print "check-arrows: found no #include at all" >"/dev/stderr"; exit 1 }
    printf "arrows: %d includes, each one allowed\n", checked
  }'
