# Sourced by fetch.sh, fetch-wine.sh and fetch-musl.sh, with say, fail and the folder $work in place: Debian's archive by apt on
# private lists, in $apt_private ($suite, where it is set: of that release, not of this machine's); first_error tells from $log
# what apt had to say. The machine's package configuration stays as it is, so that i386 packages can be had without a
# foreign architecture.

# Debian's main archive as this machine reaches it ---------------------------------------------------------------
# The machine's own entries are carried over, so that its mirror, its proxy and its keys keep working; only the
# release itself is asked (no updates, no third parties), and both architectures.

etc=${PELOAD_FETCH_ETC:-/etc}       # a test can show other entries
codename=$(. "$etc/os-release" && printf %s "${VERSION_CODENAME:-}")
mkdir -p "$work/sources" "$work/lists/partial" "$work/cache/archives/partial"

# One-line entries: deb [options] uri suite component...
one_line_entries() {
  awk -v suites="$1" -v other="${suite:-}" '
    BEGIN { split(suites, list, " "); for (i in list) wanted[list[i]] = 1 }
    $1 != "deb" || /cdrom:/ { next }
    {
      sub(/[ \t]*#.*/, "")
      options = ""
      if (match($0, /\[[^]]*\]/)) {
        options = substr($0, RSTART + 1, RLENGTH - 2)
        $0 = substr($0, 1, RSTART - 1) " " substr($0, RSTART + RLENGTH)
        count = split(options, option, " ")
        options = ""
        for (i = 1; i <= count; i++)
          if (option[i] !~ /^arch[+-]?=/) options = options " " option[i]
      }
      if (!($3 in wanted)) next
      for (i = 4; i <= NF; i++)
        if ($i == "main") { print "deb " (options == "" ? "" : "[" options " ] ") $2, other == "" ? $3 : other, "main"; break }
    }' /dev/null "${@:2}"
}

# deb822 entries: paragraphs of fields; a key may stand in the field itself, on continuation lines.
paragraph_entries() {
  awk -v suites="$1" -v other="${suite:-}" '
    BEGIN { split(suites, list, " "); for (i in list) wanted[list[i]] = 1 }
    function has(text, word,    words, i) {
      split(text, words, /[ \t\n]+/)
      for (i in words) if (words[i] == word) return 1
      return 0
    }
    function finish(    words, i, found) {
      split(field["suites"], words, /[ \t\n]+/)
      for (i in words) if (words[i] in wanted) found = words[i]
      if (found != "" && has(field["types"], "deb") && has(field["components"], "main") &&
          tolower(field["enabled"]) !~ /no|false|off|0/ && field["uris"] !~ /cdrom:/)
        print "Types: deb\nURIs:" field["uris"] "\nSuites: " (other == "" ? found : other) "\nComponents: main" kept "\n"
      split("", field); kept = ""; name = ""
    }
    FNR == 1 { finish() }
    /^[ \t]*$/ { finish(); next }
    /^#/ { next }
    /^[ \t]/ { if (name in field) field[name] = field[name] "\n" $0; if (keeping) kept = kept "\n" $0; next }
    {
      name = tolower($0); sub(/:.*/, "", name)
      value = $0; sub(/^[^:]*:/, "", value)
      field[name] = value
      keeping = (name == "signed-by" || name == "trusted")
      if (keeping) kept = kept "\n" $0
    }
    END { finish() }' /dev/null "${@:2}"
}

derive_sources() {
  one_line_entries "$1" "${lists[@]}" >"$work/sources/own.list"
  paragraph_entries "$1" "${paragraphs[@]}" >"$work/sources/own.sources"
  [ -s "$work/sources/own.list" ] || [ -s "$work/sources/own.sources" ]
}

shopt -s nullglob
lists=("$etc"/apt/sources.list.d/*.list)
[ ! -f "$etc/apt/sources.list" ] || lists+=("$etc/apt/sources.list")
paragraphs=("$etc"/apt/sources.list.d/*.sources)
derive_sources "$codename" || derive_sources "stable oldstable testing unstable sid" ||
  fail "this machine's package sources name no main archive of Debian ${codename:-(unknown release)}"

codename=${suite:-$codename}

apt_private=(-q
  -o APT::Architecture=amd64 -o APT::Architectures=amd64,i386 -o Dir::Etc::SourceList=/dev/null
  -o Dir::Etc::SourceParts="$work/sources" -o Dir::State::Lists="$work/lists" -o Dir::Cache="$work/cache"
  -o Acquire::Languages=none -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30)
# apt would hand its downloads to a user of its own, who cannot enter a folder below /root.
[ "$(id -u)" != 0 ] || apt_private+=(-o APT::Sandbox::User=root)

log=$work/apt.log
first_error() { grep -m1 '^E: ' "$log" || grep -m1 '^W: Failed' "$log" || echo "apt told no reason"; }

# A mirror that does not answer for a moment, or is just being renewed, is no reason to fail: up to three times.
again() {
  local pause
  for pause in 5 20 ''; do
    "$@" && return
    [ -n "$pause" ] || return 1
    sleep "$pause"
  done
}

# What counts is whether a package is then found: one broken index of several must not stop this.
lists_read() { apt-get "${apt_private[@]}" update >"$log" 2>&1 </dev/null || true; }

# PACKAGE[:ARCHITECTURE][=VERSION]... into $work
packages_load_once() { (cd "$work" && apt-get "${apt_private[@]}" download "$@") >"$log" 2>&1 </dev/null; }
packages_load() { again packages_load_once "$@"; }
