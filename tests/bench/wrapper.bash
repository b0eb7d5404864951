# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# The wrapper in front of QEMU, whose place /bin/true takes: jobs `launch` as those of tests/bench/jobs.bash.

bare_launch() { step /bin/true "${LINE[@]}"; }
script_launch() { step "$SCRATCH/wrapper.sh" "${LINE[@]}"; }
wrapper_launch() { step "$WRAPPER_AT" "$ROOT" /bin/true /usr/bin/kvm "${LINE[@]}"; }

adding_launch_before() { quiet "${OURS[@]}" "$BENCH_VMID" pre-start; }
adding_launch() { wrapper_launch; }
adding_launch_after() { quiet "${OURS[@]}" "$BENCH_VMID" post-stop; }

# What the wrapper itself does: from its main, which asks for its parent first, to exec
wrapper_till_exec() {
	strace -o "$SCRATCH/strace" "$WRAPPER_AT" "$ROOT" /bin/true /usr/bin/kvm "${LINE[@]}" > "$SCRATCH/out"
	sed -n '/^getppid()/,/^execve(/p' "$SCRATCH/strace" | sed '1d;$d' | wc -l
}

bench_wrapper() {
	# shellcheck disable=SC2034 # for measure
	local RUNS=$((${RUNS:-7} * 7)) tool

	settings '[vm 100]' 'hostpci0 = A40-24A' 'mode = wrapper'
	mkdir -p "$ROOT/usr/bin" "$ROOT/usr/lib/pve-vgpu"
	cp "$WRAPPER_AT" "$ROOT/usr/lib/pve-vgpu/qemu-wrapper"
	ln -s ../lib/pve-vgpu/qemu-wrapper "$ROOT/usr/bin/kvm"
	: > "$ROOT/usr/bin/kvm.distrib"
	# shellcheck disable=SC2016 # for the script
	printf '#!/bin/sh\nexec /bin/true "$@"\n' > "$SCRATCH/wrapper.sh"
	chmod +x "$SCRATCH/wrapper.sh"
	mapfile -t LINE < "$HERE/../wrapper/golden/wrapper-linux-9.2.argv"
	LINE=("${LINE[@]:1}")
	for tool in bare wrapper script adding; do
		measure "$tool" launch
	done
	record wrapper till_exec 0 0 "$(wrapper_till_exec)" 1 0 0 1
}
