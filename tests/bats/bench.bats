#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# The parts of tests/bench that measure nothing: what is read of strace and of the node, tables, plots, and the verdict.

# shellcheck source=tests/bats/stack.bash
. "$BATS_TEST_DIRNAME/stack.bash"
bats_require_minimum_version 1.5.0

setup() {
	BENCH=$BATS_TEST_DIRNAME/../bench
	RECORDS=$BATS_TEST_TMPDIR/records
}

# measured COMMAND…: a function of measure.bash
measured() {
	bash -euo pipefail -c '. "$0/measure.bash"; "$@"' "$BENCH" "$@"
}

# line BED FRAMEWORK GPUS VFS TYPES TOOL JOB OPERATIONS DRIVER SYSCALLS PROCESSES US RSS SCALED: a record
line() {
	local IFS=$'\t'

	echo "$*" >> "$RECORDS"
}

# node FRAMEWORK GPUS: a node where all is as it is meant to be
node() {
	local f=$1 n=$2 types=$2

	[ "$f" = mdev ] || types=$(($2 * 33))
	line simulated "$f" "$n" 32 22 ours types "$types" "$types" 300 1 1000 2200 1
	line simulated "$f" "$n" 32 22 ours types_first $((44 + n)) $((44 + n)) 500 1 2000 2200 1
	line simulated "$f" "$n" 32 22 ours create 2 2 250 1 1500 2200 1
	line simulated "$f" "$n" 32 22 ours start 2 2 400 2 2500 2200 1
	[ "$f" = mdev ] || return 0
	line simulated "$f" "$n" 32 22 mdevctl types $((2816 * n)) $((2816 * n)) $((19000 * n)) 1 $((40000 * n)) 3400 1
	line simulated "$f" "$n" 32 22 mdevctl create 2 2 100 1 1000 2900 1
	line simulated "$f" "$n" 32 22 shell types $((1408 * n)) $((1408 * n)) $((202560 * n)) $((1408 * n + 1)) $((900000 * n)) 1800 $((32 * n))
}

perl_of() {
	perl -I"$BENCH" -MBench::Records=parse,only -MBench::Document=better,growth,tables,over,number -MBench::Plot=script,finished -MBench::Verdict=faults \
		-e 'local $/; open(my $fh, "<", shift) or die; our ($about, @all) = parse(<$fh>);' -e "$1" "$RECORDS"
}

@test "strace's counts: system calls, and processes with the first" {
	cat > "$BATS_TEST_TMPDIR/strace" <<- 'END'
		     calls syscall
		---------- ----------------
		       120 read
		         7 clone
		         2 vfork
		         1 clone3
		---------- ----------------
		       130 total
	END
	[ "$(measured strace_totals "$BATS_TEST_TMPDIR/strace")" = '130 11' ]
	printf '%s\n' '     calls syscall' '        12 read' '        12 total' > "$BATS_TEST_TMPDIR/strace"
	[ "$(measured strace_totals "$BATS_TEST_TMPDIR/strace")" = '12 1' ]
}

@test "operations: all, and those that reach the driver" {
	[ "$(measured ops_totals <<< '{"total": 9, "vendor": {"read": 3, "write": 0}, "irq": {"read": 2, "write": 0}, "create": {"read": 0, "write": 1}, "name": {"read": 3, "write": 0}}')" = '9 4' ]
	[ "$(measured ops_totals <<< '{"total": 0}')" = '0 0' ]
}

@test "the median is of an odd and of an even number" {
	[ "$(measured median 9 1 5)" = 5 ]
	[ "$(measured median 40 10 30 20)" = 20 ]
	[ "$(measured least 7 3 11)" = 3 ]
}

@test "a record has the memory of the largest run, be it the first" {
	run -0 bash -euo pipefail -c '. "$0/measure.bash"; runs=0
		once() { runs=$((runs + 1)) US=100 ALL_OPS=1 DRIVER_OPS=1 SYSCALLS=5 PROCS=1; RSS=$((6000 / runs)); }
		RUNS=3 BENCH_BED=simulated FRAMEWORK=mdev GPUS=1 VFS=32 TYPES=22 RECORDS=1
		measure ours types' "$BENCH"
	[ "$output" = $'simulated\tmdev\t1\t32\t22\tours\ttypes\t1\t1\t5\t1\t100\t6000\t1' ]
}

@test "records: half a line, or a word where a number belongs, is refused with its line" {
	node mdev 1
	echo $'simulated\tmdev\t1' >> "$RECORDS"
	run ! perl_of ''
	[[ $output == *'line 8: 3 fields, not 14'* ]]
	sed -i '$d' "$RECORDS"
	line simulated mdev 1 32 22 ours list many 0 250 1 1500 2200 1
	run ! perl_of ''
	[[ $output == *"line 8: operations 'many' is no number"* ]]
}

@test "tables: a value for each node, one where they are the same; what was multiplied is marked" {
	node mdev 1
	node mdev 8
	run -0 perl_of 'print(tables(\@all, 1, 8))'
	[[ $output == *'| types | **pve-vgpu** | 1 / 8 | 1 / 8 | 300 | 1 | 1.0 | 1.0 | 2.1 |'* ]]
	[[ $output == *'| types | mdevctl | 2 816 / 22 528 | 2 816 / 22 528 | 19 000 / 152 000 | 1 | 40 / 320 | 40 / 320 | 3.3 |'* ]]
	[[ $output == *'| types | shell loop |'*'| ~202 560 / ~1 620 480 | ~1 409 / ~11 265 |'* ]]
	run -0 perl_of 'print(over(1, 0), " ", over(5, 2), " ", over(1234, 10), " ", number(1234567))'
	[ "$output" = '– 2.5 123 1 234 567' ]
}

@test "growth: what one more costs" {
	node mdev 1
	node mdev 8
	run -0 perl_of 'print(growth("gpus", @all))'
	[[ $output == *'| types | **pve-vgpu** | mdev | 1 | 0 | 0 | 1.0 | +0 |'* ]]
	[[ $output == *'| types | mdevctl | mdev | 2 816 | 19 000 | 0 | 8.0 | +0 |'* ]]
}

@test "where a peer takes less it is said, with the reason" {
	node mdev 1
	node mdev 8
	run -0 perl_of 'print(better(@all))'
	echo "$output"
	[[ $output == *'| create | mdevctl | mdev | system calls 100 against 250; time × 0.67 | 1 |'* ]]
	[[ $output == *$'\n1. It is told the parent'* ]]
	[[ $output == *'| types | shell loop | mdev | peak memory 1.8 MiB against 2.1 MiB | 2 |'* ]]
	[[ $output != *'| types | mdevctl'* ]]
	: > "$RECORDS"
	line simulated mdev 1 32 22 ours types 1 1 300 1 1000 2200 1
	run -0 perl_of 'print(better(@all))'
	[ "$output" = 'Nowhere in this run.' ]
}

@test "the verdict: nothing to say where all is as it is meant to be" {
	node mdev 1
	node mdev 8
	node nvidia-vfio 1
	line simulated mdev 1 32 22 wrapper till_exec 0 0 6 1 0 0 1
	run -0 perl_of 'print(join("\n", faults(0, @all)))'
	[ "$output" = '' ]
}

@test "the verdict: each thing that is not as it is meant to be" {
	node mdev 8
	sed -i 's/ours\ttypes\t8/ours\ttypes\t9/' "$RECORDS"
	run -0 perl_of 'print(join("\n", faults(0, @all)))'
	[[ $output == 'types takes 9 operations on 8 GPUs with 32 VFs and 22 types, mdev, and is meant to take 8' ]]
	: > "$RECORDS"
	node mdev 8
	sed -i 's/\(mdevctl\ttypes\t\)[0-9]*/\1390/; s/\(mdevctl\ttypes.*\t\)320000/\119999/; s/\(ours\tcreate\t\)2/\15/' "$RECORDS"
	line simulated mdev 8 32 22 wrapper till_exec 0 0 13 1 0 0 1
	run -0 perl_of 'print(join("\n", faults(0, @all)))'
	[[ $output == *'types takes 8 operations on 8 GPUs with 32 VFs and 22 types, mdev, mdevctl types 390: not 50 times fewer'* ]]
	[[ $output == *'types_first takes 52 operations'*'not 50 times fewer'* ]]
	[[ $output == *'not 20 times faster than mdevctl types'* ]]
	[[ $output == *'create takes 5 operations on 8 GPUs with 32 VFs and 22 types, mdev, mdevctl start 2: more than two above'* ]]
	[[ $output == *'the wrapper with nothing to do: 13 system calls between main and execve, more than 12'* ]]
	run -0 perl_of 'print(join("\n", faults(1, @all)))'
	[[ $output != *'times faster'* ]]
}

@test "the verdict: a create that grows with the node, and a peer ahead for which there is no reason" {
	node mdev 1
	node mdev 8
	sed -i '/\tmdev\t8\t/s/\(ours\tcreate\t\)2/\13/' "$RECORDS"
	sed -i '/\tmdev\t8\t/s/\(shell\ttypes\t\)[0-9]*/\17/' "$RECORDS"
	run -0 perl_of 'print(join("\n", faults(0, @all)))'
	[[ $output == *'create (mdev) takes 2 or 3 operations, by the size of the node'* ]]
	[[ $output == *"shell types: operations: less than pve-vgpu's, and no reason is given"* ]]
}

@test "plots: a line for each tool, times in multiples of pve-vgpu's on the smallest node, in colours for any ground" {
	local n

	for n in 1 8; do
		node mdev $n
		node nvidia-vfio $n
	done
	run -0 perl_of 'print(script("gpus", "GPUs", "out.svg", @all))'
	[[ $output == *$'$types_ours_mdev << END\n1 1 300 1.000 2200\n8 8 300 1.000 2200\nEND'* ]]
	[[ $output == *$'$types_mdevctl_mdev << END\n1 2816 19000 40.000 3400\n8 22528 152000 320.000 3400\nEND'* ]]
	[[ $output == *'$start_ours_nvidia_vfio << END'* ]]
	[[ $output != *perl_mdev* ]]
	[[ $output == *'set xtics (1, 8)'* ]]
	[[ $output == *"set output 'out.svg'"* ]]
	[[ $output != *background* && $output != *"rgb 'black'"* ]]
	# Each panel and the legend has a plot.
	[ "$(grep -c '^plot ' <<< "$output")" -eq 13 ]
}

@test "plots: gnuplot's picture gets a title and its licence, once" {
	node mdev 1
	run -0 perl_of 'print(finished("<?xml version=\"1.0\"?>\n<svg>\n<title>Gnuplot</title>\n<desc>Produced by GNUPLOT 5.4</desc>\n</svg>\n", "What grows"))'
	[ "$output" = $'<?xml version="1.0"?>\n<!-- SPDX-License-Identifier: AGPL-3.0-or-later -->\n<svg>\n<title>What grows</title>\n</svg>' ]
	run ! perl_of 'print(finished("<svg/>", "What grows"))'
}

@test "the Perl loop and the shell loop refuse what they do not know" {
	run -2 "$BENCH/shell-loop" sing
	run ! "$BENCH/perl-loop" sing
	[[ $output == usage:* ]]
}
