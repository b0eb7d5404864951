# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# What the scripts of the test node share: the cache, its locks, messages, private namespaces.

set -euo pipefail
shopt -s inherit_errexit

# Both for those who source this.
# shellcheck disable=SC2034
NODE_DIR=$(readlink -f "${BASH_SOURCE[0]%/*}")
# shellcheck disable=SC2034
TOP=$(readlink -f "$NODE_DIR/../..")
CACHE=${NODE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/pve-vgpu-node}
mkdir -p "$CACHE"
CACHE=$(readlink -f "$CACHE")

# Old entries are removed from it, so it must be a directory that has never been anything else.
if [ ! -e "$CACHE/CACHEDIR.TAG" ]; then
	if [ -n "$(ls -A "$CACHE")" ]; then
		echo "node: $CACHE is not empty and no cache of the test node: NODE_CACHE must name a directory of its own" >&2
		exit 1
	fi
	printf '%s\n' 'Signature: 8a477f597d28d172789f06886806bc55' '# Made by the test node of pve-vgpu; all of it can be removed.' \
		> "$CACHE/CACHEDIR.TAG"
fi

# Another run may be building what this one wants: how long to wait for it, in seconds.
LOCK_LIMIT=1200

# ME and DEPS are of who sources this: a name for its messages, and what brings the programs that it needs.
say() { printf '%s: %s\n' "${ME:-node}" "$*" >&2; }

die() {
	say "$*"
	exit 1
}

# need PROGRAM…: all are there, or it is said what brings them
need() {
	local program missing=()

	for program; do
		[ -x "$(type -P "$program")" ] || missing+=("$program")
	done
	[ "${#missing[@]}" -eq 0 ] || die "not installed: ${missing[*]}; 'make ${DEPS:-node-deps}' brings what is needed here"
}

# hash_of: a short name for what is on standard input
hash_of() { sha256sum | cut -c1-16; }

# hash_files FILE…: a short name for the contents and names of files below TOP. Directories count with all that is in them.
hash_files() {
	(cd "$TOP" && find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum) | hash_of
}

# The directory that is being made; empty where there is none.
scratch=

# unmount_below DIR: what is mounted there, the last one first
unmount_below() {
	local mounted

	awk -v "dir=$1/" 'index($2, dir) == 1 { print $2 }' /proc/self/mounts | tac | while IFS= read -r mounted; do
		umount -l "$(printf '%b' "$mounted")" || :
	done
}

# remove DIR: with all in it, and never through a mount
remove() {
	unmount_below "$1"
	rm -rf --one-file-system "$1"
}

drop_scratch() {
	[ -z "$scratch" ] || remove "$scratch"
	scratch=
}

# new_scratch: sets scratch to an empty directory inside the cache, on the same file system as what it will become
new_scratch() {
	local base=${NODE_SCRATCH:-$CACHE/tmp}

	mkdir -p "$base"
	trap drop_scratch EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	scratch=$(mktemp -d "$base/XXXXXXXX")
	chmod 0755 "$scratch"
}

# cached KIND KEY COMMAND [ARG…]: print the directory KIND/KEY of the cache. Where it is not there yet, COMMAND ARG… DIR
# fills a new directory, which gets its name when COMMAND has succeeded: a build that was cut off leaves no entry.
cached() {
	local kind=$1 key=$2 entry=$CACHE/$1/$2 lock begun=$SECONDS

	shift 2
	[ -n "${NODE_HELD:-}" ] || hold_cache
	if [ ! -d "$entry" ]; then
		mkdir -p "$CACHE/$kind" "$CACHE/lock"
		exec {lock}> "$CACHE/lock/$kind-$key"
		flock -w "$LOCK_LIMIT" "$lock" || die "$kind $key: another run has been building it for $LOCK_LIMIT s"
		if [ ! -d "$entry" ]; then
			new_scratch
			"$@" "$scratch" >&2
			mv "$scratch" "$entry"
			scratch=
			say "$kind $key: built in $((SECONDS - begun)) s"
		fi
		exec {lock}>&-
	fi
	# When it was last of use, for prune.
	touch "$entry"
	printf '%s\n' "$entry"
}

# copy_sources DIR: what is in the tree, and nothing that a build has left there
copy_sources() {
	mkdir -p "$1"
	(cd "$TOP" && git ls-files -zco --exclude-standard | xargs -0 cp --parents -t "$1")
}

# private COMMAND [ARG…]: in its own mount and PID namespace, so that its mounts and processes end with it, however it ends.
# In a chroot whose root is no mount point, mounts cannot be made private: there COMMAND has to unmount what it mounts, and
# what it leaves when it is killed goes with the directory (remove) or at the end of the run (prune).
PRIVATE=(unshare --mount --pid --fork --kill-child --mount-proc)
unshare --mount true 2> /dev/null || PRIVATE+=(--propagation unchanged)

private() { "${PRIVATE[@]}" -- "$@"; }

# build_in ROOT OUT SCRIPT [KERNEL]: run SCRIPT in the build root ROOT, with the project at /src (read-only), OUT at /out, and
# the headers of the kernel entry KERNEL where their package has them
build_in() {
	local root=$1 out=$2 script=$3 kernel=${4:-}

	# shellcheck disable=SC2016
	private bash -euc '
		root=$1 out=$2 script=$3 kernel=$4 top=$5
		trap "umount -R -l \"$root/mnt\" \"$root/tmp\" \"$root/dev\" \"$root/proc\"
			[ -z \"$kernel\" ] || umount -q -l \"$root/usr/src\" \"$root\"/usr/lib/linux-kbuild-* || :" EXIT
		mount -t tmpfs tmpfs "$root/mnt"
		mkdir "$root/mnt/out" "$root/mnt/src"
		mount --bind "$out" "$root/mnt/out"
		mount --bind "$top" "$root/mnt/src"
		mount -o remount,bind,ro "$root/mnt/src"
		mount -t tmpfs tmpfs "$root/tmp"
		mount --bind /dev "$root/dev"
		mount --bind /proc "$root/proc"
		if [ -n "$kernel" ]; then
			mount --bind "$kernel/headers/usr/src" "$root/usr/src"
			for dir in "$kernel"/headers/usr/lib/linux-kbuild-*; do
				mkdir -p "$root/usr/lib/${dir##*/}"
				mount --bind "$dir" "$root/usr/lib/${dir##*/}"
			done
		fi
		chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/tmp \
			bash -euc "$script"
	' build "$root" "$out" "$script" "$kernel" "$TOP"
}

# prune: what no run has used for a week goes, and the leavings of runs that were killed. Only where no other run is at work.
prune() {
	local old

	exec {prune_lock}> "$CACHE/in-use"
	if flock -n -x "$prune_lock"; then
		# A build that was killed may have left mounts.
		unmount_below "$CACHE"
		remove "$CACHE/tmp"
		find "$CACHE" -mindepth 2 -maxdepth 2 -type d -mtime +6 \
			\( -path "$CACHE/kernel/*" -o -path "$CACHE/image/*" -o -path "$CACHE/buildroot/*" \
			-o -path "$CACHE/module/*" -o -path "$CACHE/programs/*" -o -path "$CACHE/package-*/*" -o -path "$CACHE/release/*" \) -print0 |
			while IFS= read -r -d '' old; do
				say "no longer used: ${old#"$CACHE/"}"
				remove "$old"
			done
		# The sources change often, and with them these: the last three of each release are enough.
		for old in {module,programs,package-node}/{bookworm,trixie}; do
			[ -d "$CACHE/${old%/*}" ] || continue
			find "$CACHE/${old%/*}" -mindepth 1 -maxdepth 1 -name "${old#*/}-*" -printf '%T@ %p\n' 2>/dev/null |
				sort -rn | tail -n +4 | cut -d' ' -f2- | xargs -r rm -rf
		done
		rm -rf "$CACHE/lock"
	fi
	exec {prune_lock}>&-
}

# hold_cache: no other run prunes while this process, or a child of it, lives
hold_cache() {
	exec {cache_lock}> "$CACHE/in-use"
	flock -s -w "$LOCK_LIMIT" "$cache_lock" || die "another run has been clearing the cache for $LOCK_LIMIT s"
	export NODE_HELD=1
}

release_cache() {
	exec {cache_lock}>&-
	unset NODE_HELD
}
