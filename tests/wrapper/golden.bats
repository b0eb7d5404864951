# SPDX-License-Identifier: AGPL-3.0-or-later
# The wrapper's pure part on command lines of all generations of qemu-server.
# golden/NAME.argv has an argument a line, NAME.run the VM's run state where there
# is one, NAME.other the mdevs that are not NVIDIA's, NAME.argv.expected what is
# to come of it: for a vGPU that the wrapper adds that is the line which
# qemu-server makes where the same vGPU is a hostpci<N> of the VM's config.

# bats sets some of these, and the tests use what is set here:
# shellcheck disable=SC2154,SC2034

# shellcheck source=tests/bats/stack.bash
. "$BATS_TEST_DIRNAME/../bats/stack.bash"
bats_require_minimum_version 1.5.0

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
GOLDEN=$BATS_TEST_DIRNAME/golden
REWRITE=${REWRITE:-$TOP/build/tests/wrapper/rewrite-file}

# rewritten NAME FILE: FILE as it is rewritten for that case
rewritten() {
	local state=$GOLDEN/$1.run other=$GOLDEN/$1.other root=$BATS_TEST_TMPDIR/$1
	local -a others=()

	mkdir -p "$root/run/pve-vgpu"
	[ ! -e "$state" ] || cp "$state" "$root/run/pve-vgpu/$(jq .vmid "$state").json"
	[ ! -e "$other" ] || mapfile -t others < "$other"
	"$REWRITE" "$root" "$2" "${others[@]}"
}

@test "every command line comes out as expected" {
	local f name n=0 wrong=0

	for f in "$GOLDEN"/*.argv; do
		name=$(basename "$f" .argv)
		rewritten "$name" "$f" > "$BATS_TEST_TMPDIR/out"
		n=$((n + 1))
		diff -U2 --label "$name.argv.expected" --label "$name" "$f.expected" "$BATS_TEST_TMPDIR/out" || wrong=$((wrong + 1))
	done
	echo "$n command lines, $wrong wrong"
	[ "$n" -ge 40 ]
	[ "$wrong" -eq 0 ]
}

@test "every case has what belongs to it, and nothing lies about" {
	local f base

	for f in "$GOLDEN"/*; do
		base=${f%.expected}
		base=${base%.*}
		case $f in
		*.argv|*.argv.expected|*.run|*.other) [ -e "$base.argv" ] && [ -e "$base.argv.expected" ] ;;
		*) false ;;
		esac || { echo "not part of a case: $f"; return 1; }
	done
}

@test "rewriting twice is rewriting once" {
	local f name n=0

	for f in "$GOLDEN"/*.argv; do
		name=$(basename "$f" .argv)
		! grep -q '^error: ' "$f.expected" || continue
		rewritten "$name" "$f.expected" | diff -U2 "$f.expected" - || { echo "twice: $name"; return 1; }
		n=$((n + 1))
	done
	[ "$n" -ge 40 ]
}

@test "nothing is lost: what is not the display, the CPU or the machine comes out byte for byte" {
	local f name

	for f in "$GOLDEN"/*.argv; do
		name=$(basename "$f" .argv)
		! grep -q '^error: ' "$f.expected" || continue
		comm -23 <(sort "$f") <(sort "$f.expected") > "$BATS_TEST_TMPDIR/lost"
		! grep -vE '^(-vnc|unix:/var/run/qemu-server/[0-9]+\.vnc,password=on|-device|VGA,id=vga,.*|.*kvm_pv_eoi.*|(.*,)?type=.*)$' \
			"$BATS_TEST_TMPDIR/lost" || { echo "lost in $name"; return 1; }
	done
}
