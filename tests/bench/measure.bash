# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# What the jobs of tests/bench/jobs.bash take, a record a line. Whoever loads this has COST (tests/bench/cost.c), SCRATCH (a directory),
# bench_ops_reset, and bench_ops, which prints operations as the simulated node's .sim/ops does. RUNS: how many runs a median is of, at the
# most; QUICK: one, and a peer's counts once.

# Attributes that the kernel answers without NVIDIA's driver.
BENCH_NOT_DRIVER='vendor device class subsystem_vendor subsystem_device revision numa_node local_cpulist modalias uevent irq
	sriov_totalvfs sriov_numvfs'

median() {
	printf '%s\n' "$@" | sort -n | sed -n "$((($# + 1) / 2))p"
}

least() {
	printf '%s\n' "$@" | sort -n | head -n 1
}

# strace_totals FILE: "SYSCALLS PROCESSES" of what `strace -f -c -U calls,name` has written, the first process among them
strace_totals() {
	awk '$2 == "total" { calls = $1 } $2 ~ /^(clone|clone3|fork|vfork)$/ { n += $1 } END { print calls + 0, n + 1 }' "$1"
}

# ops_totals: "ALL DRIVER" of what bench_ops prints, read on standard input
ops_totals() {
	jq -r --arg not "$BENCH_NOT_DRIVER" '
		[$not | splits("[ \t\n]+")] as $not | .total as $all | del(.total)
		| "\($all) \(with_entries(select(.key as $k | $not | index($k) | not)) | [.[] | .read + .write] | add // 0)"'
}

# step PROGRAM…: one program of a job. Several make up one job, and what they take is added up.
step() {
	local all driver us rss calls procs

	bench_ops_reset
	if [ "$MODE" = trace ]; then
		strace -f -qq -c -U calls,name -o "$SCRATCH/strace" "$@" < /dev/null > "$SCRATCH/out" 2> "$SCRATCH/err" || step_failed "$@"
		read -r calls procs < <(strace_totals "$SCRATCH/strace")
		SYSCALLS=$((SYSCALLS + calls)) PROCS=$((PROCS + procs))
		return
	fi
	: > "$SCRATCH/cost"
	"$COST" "$SCRATCH/cost" "$@" < /dev/null > "$SCRATCH/out" 2> "$SCRATCH/err" || step_failed "$@"
	read -r us rss < "$SCRATCH/cost"
	read -r all driver < <(bench_ops | ops_totals)
	US=$((US + us)) ALL_OPS=$((ALL_OPS + all)) DRIVER_OPS=$((DRIVER_OPS + driver))
	[ "$rss" -le "$RSS" ] || RSS=$rss
}

step_failed() {
	echo "bench: failed: $*" >&2
	cat "$SCRATCH/err" >&2
	exit 1
}

# part NAME: that function, where there is one
part() {
	[ "$(type -t "$1")" != function ] || "$1"
}

# once MODE TOOL JOB: one run of it, with what has to be there before and what has to go after
once() {
	local MODE=$1

	part "$2_$3_before"
	US=0 ALL_OPS=0 DRIVER_OPS=0 RSS=0 SYSCALLS=0 PROCS=0
	"$2_$3"
	part "$2_$3_after"
}

# enough US: how often something is run that took as long at first, for the median; RUNS at the most
enough() {
	local most=${RUNS:-7}

	[ -z "${QUICK-}" ] || most=1
	if [ "$1" -gt 1500000 ]; then
		most=1
	elif [ "$1" -gt 200000 ] && [ "$most" -gt 3 ]; then
		most=3
	fi
	echo "$most"
}

# measure TOOL JOB: its record. Operations are those of the last run. What happens elsewhere on the machine adds system calls and takes none
# away: openat2() is tried again while anything is renamed or mounted, and a shell's wait is interrupted. So the least of three counts, where
# that is done soon.
measure() {
	local i n largest us=() calls=()

	once time "$@"
	n=$(enough "$US") us=("$US") largest=$RSS
	for ((i = 1; i < n; i++)); do
		once time "$@"
		us+=("$US")
		[ "$RSS" -le "$largest" ] || largest=$RSS
	done
	local ops=$ALL_OPS driver=$DRIVER_OPS
	n=3
	[ -z "${QUICK-}" ] && [ "${us[0]}" -le 500000 ] || [ "$1" = ours ] || n=1
	for ((i = 0; i < n; i++)); do
		once trace "$@"
		calls+=("$SYSCALLS")
	done
	record "$1" "$2" "$ops" "$driver" "$(least "${calls[@]}")" "$PROCS" "$(median "${us[@]}")" "$largest" 1
}

# measure_part TOOL JOB TIMES: the same of a job that takes strace minutes: of a part, TIMES of which are the whole. Time, operations and
# memory are those of the whole job, or where PART is set, of the part as well.
measure_part() {
	local one=$1 job=$2 times=$3

	if [ -n "${PART-}" ]; then
		once time "$one" "${job}_part"
		US=$((US * times)) ALL_OPS=$((ALL_OPS * times)) DRIVER_OPS=$((DRIVER_OPS * times))
	else
		once time "$one" "$job"
	fi
	local took=$US ops=$ALL_OPS driver=$DRIVER_OPS rss=$RSS
	once trace "$one" "${job}_part"
	record "$one" "$job" "$ops" "$driver" $((SYSCALLS * times)) $(((PROCS - 1) * times + 1)) "$took" "$rss" "$times"
}

# record TOOL JOB OPERATIONS DRIVER SYSCALLS PROCESSES US RSS SCALED: a line with that behind what is known of the node. The columns are those
# of tests/bench/Bench/Records.pm; RECORDS is the descriptor where they go.
record() {
	local IFS=$'\t'

	printf '%s\n' "${RECORD_PREFIX-}$BENCH_BED"$'\t'"$FRAMEWORK"$'\t'"$GPUS"$'\t'"$VFS"$'\t'"$TYPES"$'\t'"$*" >&"$RECORDS"
}
