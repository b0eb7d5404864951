# SPDX-License-Identifier: AGPL-3.0-or-later
# A simulated node for one test: mounted by node(), gone after the test.

# The tests use what seems unused here:
# shellcheck disable=SC2034

load own_mounts
# shellcheck source=tests/bats/stack.bash
. "${BASH_SOURCE[0]%/*}/stack.bash"

# Errnos are told apart by what the shell says of them.
export LC_ALL=C

SIM_DIR=${BATS_TEST_DIRNAME}/../sim
NODES_DIR=${BATS_TEST_DIRNAME}/../nodes
VGPU_SIM=${VGPU_SIM:-$SIM_DIR/vgpu-sim}

UUID_A=11111111-aaaa-4bbb-8ccc-000000000001
UUID_B=11111111-aaaa-4bbb-8ccc-000000000002
UUID_C=11111111-aaaa-4bbb-8ccc-000000000003

# node NAME: one of tests/nodes.  node - : a node file on standard input.
node() {
	local file=$NODES_DIR/$1.json

	if [ "$1" = - ]; then
		file=$BATS_TEST_TMPDIR/node.json
		cat >"$file"
	fi
	SYS=$BATS_TEST_TMPDIR/sys
	mkdir -p "$SYS"
	"$VGPU_SIM" "$file" "$SYS"
}

sim_teardown() {
	local pid

	for pid in $BACKGROUND; do
		kill -9 "$pid" 2>/dev/null || :
	done
	for pid in $BACKGROUND; do
		wait "$pid" 2>/dev/null || :
	done
	if [ -n "$SYS" ]; then
		fusermount3 -u "$SYS" 2>/dev/null || fusermount3 -uz "$SYS" 2>/dev/null || :
	fi
}

# The error's text of one write, "ok" where there is none.
put() {	# text file
	local out

	if out=$(printf '%s' "$1" 2>&1 >"$SYS/$2"); then
		echo ok
	else
		echo "${out##*: }"
	fi
}

get() {	# file
	local out

	if out=$(cat "$SYS/$1" 2>&1); then
		echo "$out"
	else
		echo "${out##*: }"
	fi
}

pci() {	# bdf -> its path below the mount
	echo "bus/pci/devices/$1"
}

available() {	# parent type-directory
	get "class/mdev_bus/$1/mdev_supported_types/$2/available_instances"
}

create() {	# parent type-directory uuid
	put "$3" "class/mdev_bus/$1/mdev_supported_types/$2/create"
}

is() {	# got wanted
	if [ "$1" != "$2" ]; then
		printf 'got:    %s\nwanted: %s\n' "$1" "$2"
		return 1
	fi
}

# Until the command succeeds; a minute at most.
soon() {
	local end=$((SECONDS + 60))

	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.02
	done
}

background() {
	"$@" 3>&- 4>&- &
	BACKGROUND="$BACKGROUND $!"
	LAST=$!
}

gone() {	# pid: ended, waited for or not
	case $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) in
	''|Z) return 0 ;;
	*) return 1 ;;
	esac
}

alive() {
	if gone "$1"; then
		return 1
	fi
}

write_count() {	# attribute -> writes so far
	python3 -c 'import json, sys
print(json.load(open(sys.argv[1])).get(sys.argv[2], {"write": 0})["write"])' \
		"$SYS/.sim/ops" "$1"
}
