# SPDX-License-Identifier: AGPL-3.0-or-later
# Words for tests that speak to a mounted sysfs at $SYS, whichever bed has made
# it. $BED names the bed: sim (the default) or node. A bed has these functions:
#
#   bed_node FRAMEWORK [mixed]  have a node whose SR-IOV GPUs use mdev or vfio,
#                               with mixed sizes or without; sets and exports SYS
#   bed_hold DEVICE             open the vGPU of that UUID or address, as QEMU does
#   bed_let_go DEVICE           and close it again
#   bed_errno KEY ERRNO         what the driver answers to a refusal: size, count,
#                               memory, busy, unknown, held, params
#   bed_selfclean DEVICE MS     the driver removes it itself MS after it is let go;
#                               off: it does not
#   bed_ops, bed_ops_reset      print and reset the driver's count of operations
#   bed_done                    take the node away
#
# Operations are many and a test machine may be slow: hardly anything here starts
# a program, and results come in variables.

# The tests use what seems unused here:
# shellcheck disable=SC2034

export LC_ALL=C
BED=${BED:-sim}
load "bed_$BED"

# shellcheck source=tests/bats/stack.bash
. "${BASH_SOURCE[0]%/*}/../bats/stack.bash"

TYPES_JSON=$BATS_TEST_DIRNAME/../nodes/types.json
UUID_A=11111111-aaaa-4bbb-8ccc-000000000001
UUID_B=11111111-aaaa-4bbb-8ccc-000000000002
UUID_C=11111111-aaaa-4bbb-8ccc-000000000003

# --- a node for the file, a clean slate for the test -------------------------

# have_node FRAMEWORK [mixed]: in setup_file. Finds the two SR-IOV GPUs and the
# card without: GPU, GPU2, CARD and the VFs in order as VFS, VFS2.
have_node() {
	local d functions

	bed_node "$@"
	GPU='' GPU2='' CARD=''
	mapfile -t functions < <(grep -lx 0x10de "$SYS"/bus/pci/devices/*/vendor)
	for d in "${functions[@]%/vendor}"; do
		if [ -e "$d/physfn" ]; then
			continue
		elif [ ! -e "$d/sriov_totalvfs" ]; then
			CARD=${d##*/}
		elif [ -z "$GPU" ]; then
			GPU=${d##*/}
		else
			GPU2=${d##*/}
		fi
	done
	VFS=$(vfs_of "$GPU")
	VFS2=$(vfs_of "$GPU2")
	A40=$(type_rows A40)
	T4=$(type_rows T4)
	export GPU GPU2 CARD VFS VFS2 A40 T4
	[ -n "$CARD" ] && [ -n "$VFS" ] && [ -n "$VFS2" ]
}

vfs_of() {	# PF -> its VFs in the order of virtfnN, on one line
	local links=("$SYS/bus/pci/devices/$1"/virtfn*)

	# shellcheck disable=SC2046	# one word each
	set -- $(cd "$SYS/bus/pci/devices/$1" && eval "readlink virtfn{0..$((${#links[@]} - 1))}")
	echo "${@##*/}"
}

type_rows() {	# board -> lines "id|MiB|max_instance|name|description"
	local from='.*"id": ([0-9]+), "name": "([^"]+)", "framebuffer_mib": ([0-9]+), "max_instance": ([0-9]+),'

	from+=' "num_heads": ([0-9]+), "frl": ([0-9]+), "max_resolution": "([0-9x]+)".*'
	sed -nE "/^\"$1\":/,/^\]/s/$from/\1|\3|\4|\2|num_heads=\5, frl_config=\6, framebuffer=\3M, max_resolution=\7, max_instance=\4/p" \
		"$TYPES_JSON"
}

# In setup: short names, for arrays are not handed on from setup_file.
words() {
	read -ra VF <<<"$VFS"
	read -ra VF2 <<<"$VFS2"
	BACKGROUND=()
}

# In teardown: whatever the test has left is gone, or the file fails.
clean_slate() {
	local d pid

	bed_let_go all
	bed_selfclean all off
	for pid in "${BACKGROUND[@]}"; do
		wait "$pid" || :
	done
	for d in "$SYS"/bus/mdev/devices/*; do
		[ ! -e "$d/remove" ] || echo 1 >"$d/remove"
	done
	[ -e "$SYS/bus/pci/devices/${VFS%% *}/nvidia" ] || return 0
	while IFS= read -r d; do
		echo 0 >"$d"
	done < <(grep -Lx 0 "$SYS"/bus/pci/devices/*/nvidia/current_vgpu_type)
}

# --- saying what must be -------------------------------------------------------

is() {	# got wanted
	if [ "$1" != "$2" ]; then
		printf 'got:    %q\nwanted: %q\n' "$1" "$2"
		return 1
	fi
}

soon() {	# until the command succeeds; a minute at most
	local end=$((SECONDS + 60))

	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

missing() {
	[ ! -e "$1" ]
}

error_name() {	# what bash said -> NAME
	case ${1##*: } in
	"File exists") NAME=EEXIST ;;
	"Invalid argument") NAME=EINVAL ;;
	"No space left on device") NAME=ENOSPC ;;
	"Device or resource busy") NAME=EBUSY ;;
	"Permission denied") NAME=EACCES ;;
	"Operation not permitted") NAME=EPERM ;;
	"Input/output error") NAME=EIO ;;
	"No such file or directory") NAME=ENOENT ;;
	"Operation not supported") NAME=EOPNOTSUPP ;;
	"Numerical result out of range") NAME=ERANGE ;;
	"Disk quota exceeded") NAME=EDQUOT ;;
	"No such device") NAME=ENODEV ;;
	"Is a directory") NAME=EISDIR ;;
	"Not a directory") NAME=ENOTDIR ;;
	*) NAME=$1 ;;
	esac
}

# put TEXT FILE: one write; RESULT is ok or the errno's name
put() {
	local said

	if said=$( { printf '%s' "$1" >"$SYS/$2"; } 2>&1); then
		RESULT=ok
	else
		error_name "$said"
		RESULT=$NAME
	fi
}

writes() {	# ok-or-errno text file
	put "$2" "$3"
	if [ "$RESULT" != "$1" ]; then
		printf 'write %q to %s: %s, wanted %s\n' "$2" "$3" "$RESULT" "$1"
		return 1
	fi
}

slurp() {	# file -> TEXT, with its newlines
	TEXT=
	IFS= read -r -d '' TEXT <"$SYS/$1" || :
}

reads() {	# text file
	slurp "$2"
	if [ "$TEXT" != "$1" ]; then
		printf '%s has %q, wanted %q\n' "$2" "$TEXT" "$1"
		return 1
	fi
}

unreadable() {	# errno file
	local said

	if said=$( { read -r said <"$SYS/$2"; } 2>&1); then
		echo "$2 could be read"
		return 1
	fi
	error_name "$said"
	is "$NAME" "$1"
}

background() {
	"$@" 3>&- 4>&- &
	BACKGROUND+=($!)
	LAST=$!
}

# --- types -----------------------------------------------------------------------

ids_of() {	# rows [MiB] -> IDS: "id id …" of that size, or all
	IDS=$(sed -nE "s/^([0-9]+)\|${2:-[0-9]+}\|.*/\1/p" <<<"$1")
	IDS=${IDS//$'\n'/ }
}

up_to() {	# rows MiB -> IDS: the ids of that size and smaller
	IDS=$(awk -F'|' -v most="$2" '$2 <= most { print $1 }' <<<"$1")
	IDS=${IDS//$'\n'/ }
}

# --- mdev ------------------------------------------------------------------------

create() {	# ok-or-errno parent id uuid
	writes "$1" "$4" "class/mdev_bus/$2/mdev_supported_types/nvidia-$3/create"
}

remove() {	# ok-or-errno uuid
	writes "$1" 1 "bus/mdev/devices/$2/remove"
}

room_for() {	# parent -> ROOM: "id id=n …", those with room for one or more, in order
	ROOM=$(cd "$SYS/class/mdev_bus/$1/mdev_supported_types" && grep -v '^0$' -- */available_instances || :)
	ROOM=${ROOM//$'\n'/ } ROOM=${ROOM//nvidia-/} ROOM=${ROOM//available_instances:/}
	ROOM+=' ' ROOM=${ROOM//\/1 / } ROOM=${ROOM//\//=}
	ROOM=${ROOM% }
}

room_is() {	# "id id=n …" parent…
	local p wanted=$1

	shift
	for p; do
		room_for "$p"
		if [ "$ROOM" != "$wanted" ]; then
			printf '%s has room for %s, wanted %s\n' "$p" "$ROOM" "$wanted"
			return 1
		fi
	done
}

all_have() {	# number id VF…: what is available of one type on each of them
	local wanted=$1 id=$2 paths got

	shift 2
	paths=("${@/#/$SYS/class/mdev_bus/}")
	got=$(cat "${paths[@]/%//mdev_supported_types/nvidia-$id/available_instances}" | sort | uniq -c)
	is "${got##* }: ${got//[^$'\n']/}" "$wanted: "
}

# --- vendor VFIO -----------------------------------------------------------------

becomes() {	# ok-or-errno VF id
	writes "$1" "$3" "bus/pci/devices/$2/nvidia/current_vgpu_type"
}

has_type() {	# id VF
	reads "$1"$'\n' "bus/pci/devices/$2/nvidia/current_vgpu_type"
}

creatable() {	# VF -> ROOM: the ids listed, and NAMES: the lines without the header
	NAMES=$(grep -vx 'ID    : vGPU Name' "$SYS/bus/pci/devices/$1/nvidia/creatable_vgpu_types" || :)
	ROOM=$(sed -E 's/ .*//' <<<"$NAMES")
	ROOM=${ROOM//$'\n'/ }
}

creatable_is() {	# "id id …" VF…
	local v wanted=$1

	shift
	for v; do
		creatable "$v"
		if [ "$ROOM" != "$wanted" ]; then
			printf '%s lists %s, wanted %s\n' "$v" "$ROOM" "$wanted"
			return 1
		fi
	done
}

# --- operations --------------------------------------------------------------------

ops_are() {	# attribute reads writes
	local pattern ops

	ops=$(bed_ops)
	pattern="\"$1\": *\{ *\"read\": *([0-9]+), *\"write\": *([0-9]+)"
	if [[ $ops =~ $pattern ]]; then
		is "$1: ${BASH_REMATCH[1]} ${BASH_REMATCH[2]}" "$1: $2 $3"
	else
		is "$1: 0 0" "$1: $2 $3"
	fi
}

# bats has a look at every command of a test, for its traces, and that costs more
# than most commands. With functrace off it looks at what the test itself calls.
for word in have_node clean_slate soon is put writes reads unreadable slurp ids_of create remove \
	room_for room_is all_have becomes has_type creatable creatable_is ops_are; do
	eval "inner_$(declare -f $word)"
	eval "$word() { local -; set +T; inner_$word \"\$@\"; }"
done
