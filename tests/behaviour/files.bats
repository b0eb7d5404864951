#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# What holds for every attribute: modes, offsets, truncation, one write one command.

load helper

setup_file() { have_node mdev; }
teardown_file() { bed_done; }
setup() {
	words
	TYPE=class/mdev_bus/${VF[0]}/mdev_supported_types/nvidia-575
	DESCRIPTION="num_heads=1, frl_config=60, framebuffer=24576M, max_resolution=1280x1024, max_instance=2"
}
teardown() { clean_slate; }

@test "modes count for root too: read-only, write-only, nothing made, deleted or renamed" {
	local a c d=$SYS/$TYPE

	for a in name description device_api available_instances; do
		writes EACCES 1 "$TYPE/$a"
	done
	unreadable EACCES "$TYPE/create"
	writes EACCES 1 "bus/pci/devices/$GPU/sriov_totalvfs"
	writes EACCES 1 "bus/pci/devices/$GPU/vendor"
	create ok "${VF[0]}" 575 $UUID_A
	unreadable EACCES bus/mdev/devices/$UUID_A/remove
	if (: <>"$d/create") 2>/dev/null; then
		return 1
	fi
	writes EACCES 1 "$TYPE/no_such"
	for c in "mkdir $TYPE/x" "rm $TYPE/name" "rmdir $TYPE/devices" "mkfifo $TYPE/x" "ln -s name $TYPE/x" \
		"mv $TYPE/name $TYPE/x" "rm class/mdev_bus/${VF[0]}"; do
		run env -C "$SYS" $c
		[ "$status" = 1 ]
		[[ $output == *"Operation not permitted"* ]] || { echo "$output"; return 1; }
	done
	writes EISDIR 1 "$TYPE"
	unreadable ENOTDIR "$TYPE/name/x"
}

@test "another user reads, and may not write" {
	create ok "${VF[0]}" 575 $UUID_A
	is "$(setpriv --reuid 65534 --regid 65534 --clear-groups cat "$SYS/$TYPE/name")" "NVIDIA A40-24A"
	# shellcheck disable=SC2016
	run setpriv --reuid 65534 --regid 65534 --clear-groups bash -c 'echo 1 >"$1"' - \
		"$SYS/bus/mdev/devices/$UUID_A/remove"
	[ "$status" = 1 ]
	[[ $output == *"Permission denied"* ]]
	[ -e "$SYS/bus/mdev/devices/$UUID_A/remove" ]
}

@test "writes: truncation does nothing, and appending is like any other write" {
	local p=bus/mdev/devices/$UUID_A/nvidia/vgpu_params

	: >"$SYS/$TYPE/create"
	is "$(ls "$SYS/bus/mdev/devices")" ""
	create ok "${VF[0]}" 575 $UUID_A
	writes ok loglevel=5 $p
	: >"$SYS/$p"
	reads $'loglevel=5\n' $p
	: >"$SYS/bus/mdev/devices/$UUID_A/remove"
	[ -e "$SYS/bus/mdev/devices/$UUID_A/remove" ]
	printf 1 | dd of="$SYS/bus/mdev/devices/$UUID_A/remove" conv=notrunc status=none
	missing "$SYS/bus/mdev/devices/$UUID_A"
	echo $UUID_A >>"$SYS/$TYPE/create"
	[ -e "$SYS/bus/mdev/devices/$UUID_A" ]
}

@test "writes: each is a command of its own, whatever was written before, and a page at most" {
	local fd said long

	printf -v long '%*s' 5000 ''
	writes EINVAL "$UUID_A$long" "$TYPE/create"
	writes EINVAL "$long$UUID_A" "$TYPE/create"
	exec {fd}>"$SYS/$TYPE/create"
	said=$( { printf %s "${UUID_A%-*}" >&"$fd"; } 2>&1) || :
	error_name "$said"
	is "$NAME" EINVAL
	said=$( { printf %s "${UUID_A##*-}" >&"$fd"; } 2>&1) || :
	error_name "$said"
	is "$NAME" EINVAL
	is "$(ls "$SYS/bus/mdev/devices")" ""
	printf %s $UUID_A >&"$fd"
	exec {fd}>&-
	[ -e "$SYS/bus/mdev/devices/$UUID_A" ]
	exec {fd}>"$SYS/bus/mdev/devices/$UUID_A/nvidia/vgpu_params"
	printf %s a=1 >&"$fd"
	printf %s b=2 >&"$fd"
	exec {fd}>&-
	reads $'b=2\n' bus/mdev/devices/$UUID_A/nvidia/vgpu_params
}

@test "a file that is open is dead once its vGPU is gone" {
	local params remove said

	create ok "${VF[0]}" 575 $UUID_A
	exec {params}<"$SYS/bus/mdev/devices/$UUID_A/nvidia/vgpu_params" {remove}>"$SYS/bus/mdev/devices/$UUID_A/remove"
	remove ok $UUID_A
	said=$( { read -r said <&"$params"; } 2>&1) || :
	error_name "$said"
	is "$NAME" ENODEV
	said=$( { echo 1 >&"$remove"; } 2>&1) || :
	error_name "$said"
	is "$NAME" ENODEV
	exec {params}<&- {remove}>&-
}

@test "reads: in small pieces, from an offset, past the end; pieces of one text are one operation" {
	local f=$SYS/$TYPE/description

	is "$(dd if="$f" bs=1 status=none)" "$DESCRIPTION"
	is "$(dd if="$f" bs=7 status=none)" "$DESCRIPTION"
	is "$(dd if="$f" bs=1 skip=1 status=none)" "${DESCRIPTION:1}"
	is "$(dd if="$f" bs=8 skip=3 count=1 status=none)" "${DESCRIPTION:24:8}"
	is "$(dd if="$f" bs=100 skip=1 status=none)" ""
	is "$(dd if="$f" bs=1 skip=5000 status=none)" ""

	bed_ops_reset
	dd if="$SYS/$TYPE/available_instances" bs=1 of=/dev/null status=none
	ops_are available_instances 1 0
	is "$(<"$SYS/$TYPE/available_instances")" 1
	ops_are available_instances 2 0
}

@test "reads: one file opened once tells news from the start and after a jump, not in the middle" {
	# shellcheck disable=SC2016
	is "$(perl -e '
		my ($available, $create, $uuid, $other) = @ARGV;
		open(my $r, "<", $available) or die; open(my $w, ">", $create) or die;
		my @got;
		sub at { my ($off, $n) = @_; my $t;
			sysseek($r, $off, 0) if defined $off; sysread($r, $t, $n) // die; push @got, $t =~ s/\n/./r; }
		at(0, 64); at(undef, 64);	# all, and nothing more
		at(0, 1);			# a short read …
		syswrite($w, $uuid) or die;
		at(undef, 64);			# … goes on with what it began
		at(0, 64);			# and from the start it is new
		syswrite($w, $other) or die;
		at(1, 64);			# or after a jump
		print join(" ", @got);' \
		"$SYS/class/mdev_bus/$CARD/mdev_supported_types/nvidia-230/available_instances" \
		"$SYS/class/mdev_bus/$CARD/mdev_supported_types/nvidia-230/create" $UUID_A $UUID_B)" "16.  1 6. 15. 4."
}
