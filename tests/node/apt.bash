# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# Packages of a Debian release that is not this machine's, from where this machine has its own. Sourced after common.bash.

# An index older than this many minutes is fetched anew.
INDEX_AGE=1440

# mirror LABEL SITES: where this machine's apt gets the archive of that label from, of the lines LABEL|SITE; nothing where it does not
mirror() { sed -n "s/^$1|//p" <<< "$2" | sed 1q; }

# sources RELEASE: a sources.list
sources() {
	local base security sites signed='[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]'

	sites=$(apt-get indextargets --format '$(LABEL)|$(SITE)' 'Identifier: Packages')
	base=$(mirror Debian "$sites")
	security=$(mirror Debian-Security "$sites")
	[ -n "$base" ] || die "apt knows no archive of Debian's here: 'apt-get update' first"
	echo "deb $signed $base $1 main"
	[ -z "$security" ] || echo "deb $signed $security $1-security main"
}

# fetch_settings: how this machine's apt fetches (proxies, time-outs, what may be out of date), as a configuration file
fetch_settings() {
	apt-config dump --format '%F "%v";%n' Acquire |
		grep -v -E '^Acquire(::(IndexTargets|Changelogs|Languages|CompressionTypes|GzipIndexes|cdrom)\b.*)? "'
}

# index RELEASE: print the configuration file of an apt that knows that release and nothing of this machine's packages
index() {
	local dir=$CACHE/apt/$1 lock

	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial" "$dir/state"
	exec {lock}> "$dir/lock"
	flock -w "$LOCK_LIMIT" "$lock" || die "apt index of $1: locked by another run for $LOCK_LIMIT s"
	sources "$1" > "$dir/sources.new"
	cat > "$dir/apt.conf" <<-EOF
		Dir::State "$dir/state";
		Dir::State::lists "$dir/lists";
		Dir::State::status "$dir/status";
		Dir::Cache "$dir/cache";
		Dir::Etc::sourcelist "$dir/sources.list";
		Dir::Etc::sourceparts "$dir/state";
		Dir::Etc::preferences "/dev/null";
		Dir::Etc::preferencesparts "$dir/state";
		APT::Sandbox::User "root";
		Acquire::Languages "none";
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	EOF
	: > "$dir/status"
	if ! cmp -s "$dir/sources.new" "$dir/sources.list" || [ -z "$(find "$dir/fetched" -mmin "-$INDEX_AGE" 2>/dev/null)" ]; then
		cp "$dir/sources.new" "$dir/sources.list"
		if apt-get -qq -c "$dir/apt.conf" -o APT::Update::Error-Mode=any update >&2; then
			rm -f "$dir"/known-*
			touch "$dir/fetched"
		elif [ -e "$dir/fetched" ]; then
			say "the index of $1 could not be fetched: going on with that of $(date -r "$dir/fetched" '+%F %R')"
		else
			die "the index of $1 could not be fetched"
		fi
	fi
	exec {lock}>&-
	printf '%s\n' "$dir/apt.conf"
}

# known CONF KEY COMMAND: what `COMMAND CONF` prints, asked once of each index that is fetched: apt reads all of the index to answer
known() {
	local dir=${1%/*}
	local answer=$dir/known-$2

	if [ ! "$answer" -nt "$dir/fetched" ]; then
		"$3" "$1" > "$answer.$BASHPID"
		mv "$answer.$BASHPID" "$answer"
	fi
	cat "$answer"
}

ask_point_release() {
	apt-get -c "$1" indextargets --format '$(LABEL)|$(VERSION)' 'Identifier: Packages' | sed -n 's/^Debian|//p' | sed 1q
}

# point_release RELEASE: its version, such as 12.11
point_release() {
	local conf

	conf=$(index "$1")
	known "$conf" point-release ask_point_release
}

# make_root RELEASE DIR PACKAGES [OPTION…]: a root with these packages (between commas) and no trace of this machine in it
make_root() {
	local release=$1 dir=$2 packages=$3 conf

	shift 3
	conf=$(index "$release")
	fetch_settings > "$dir.fetch"
	# Syncing after each file is for machines that live on.
	private mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
		--aptopt="$dir.fetch" --dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/info/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook='rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/apt/sources.list "$1"/etc/resolv.conf' \
		"$@" "$release" "$dir" "${conf%/*}/sources.list"
	rm -f "$dir.fetch"
}
