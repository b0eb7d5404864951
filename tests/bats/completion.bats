#!/usr/bin/env bats
# SPDX-License-Identifier: AGPL-3.0-or-later
# What bash and zsh offer on a command line of pve-vgpu.

load hook_helper

setup() {
	MOUNTED='' PIDS='' ROOT=''
	HERE=$BATS_TEST_TMPDIR/completions
	mkdir -p "$HERE"
	for file in pve-vgpu.bash _pve-vgpu; do
		grep -q /usr/share/pve-vgpu/complete "$TOP/completions/$file"
		sed "s|/usr/share/pve-vgpu/|$TOP/completions/|" "$TOP/completions/$file" > "$HERE/$file"
	done
	PATH=$(dirname "$PVE_VGPU"):$PATH
}

# in_bash WORD…: what the completion puts in place of the last word, as bash is given it
in_bash() {
	bash --norc -uc '. "$0"; COMP_LINE=$1 COMP_POINT=${#1}; _pve_vgpu; printf "%s\n" "${COMPREPLY[@]}"' "$HERE/pve-vgpu.bash" \
		"pve-vgpu $*" 2>&1
}

# in_zsh WORD…: the words that are offered, with their descriptions behind a tab
in_zsh() {
	zsh -fc 'fpath=($1 $fpath); shift
		autoload -Uz _pve-vgpu
		_describe() { printf "%s\n" "${(P@)2}" | sed "s/\\([^\\\\]\\):/\\1\t/; s/\\\\:/:/g" }
		_files() { print -r -- "files $*" }
		words=(pve-vgpu "$@") CURRENT=$#words PREFIX=${words[-1]}
		_pve-vgpu || true' - "$HERE" "$@" 2>&1
}

# both WORD…: what both offer that begins like the last word, without descriptions; it must be the same
both() {
	local one other last=${*: -1}

	one=$(in_bash "$@")
	other=$(in_zsh "$@" | cut -f1 | awk -v begin="$last" 'index($0, begin) == 1')
	assert_equal "$one" "$other" >&2
	printf '%s\n' "$one"
}

commands() {
	"$PVE_VGPU" --help | sed -n '/^commands:/,/^options:/s/^  \([a-z][a-z]*\)\( .*\)\?$/\1/p'
}

options_of() {
	"$PVE_VGPU" --help | sed -n "s/^  $1\( .*\)\?\$/\1/p" | grep -oE -- '--[a-z-]+' | sort -u
}

@test "both offer the commands of --help, and the options that stand before them" {
	[ "$(commands | wc -l)" -ge 17 ]
	assert_equal "$(both '' | sort)" "$({ commands; printf '%s\n' --root --help --version; } | sort)"
	assert_equal "$(both sc)" scheduler
	assert_equal "$(in_zsh version)" "$(in_zsh '')"
	in_zsh '' | grep -qx $'version\tprint the version'
}

@test "both offer every option of every command, and no other" {
	local cmd

	for cmd in $(commands); do
		assert_equal "$(both "$cmd" -- | sort)" "$(options_of "$cmd")"
	done
	assert_equal "$(both set 100 A40-24A --m)" --mode
	assert_equal "$(both set --index 1 100 A40-24A --m)" --mode
}

@test "types come from the node, with how many more fit" {
	node a40x8-mdev
	intent 100 A40-24A
	assert_equal "$(both --root "$ROOT" set 100 A40-24)" $'A40-24Q\nA40-24A'
	assert_equal "$(both --root "$ROOT" create A40-48A)" A40-48A
	in_zsh --root "$ROOT" set 100 '' | grep -qx $'A40-24A\tnvidia-575, 24576 MiB, 16 more fit'
	pve_vgpu create --gpu 0000:67:00.0 A40-24A
	in_zsh --root "$ROOT" set 100 '' | grep -qx $'A40-24A\tnvidia-575, 24576 MiB, 15 more fit'
	# one more choice
	assert_equal "$(both --root "$ROOT" set 100 A40-24A,A40-48Q)" A40-24A,A40-48Q
	# an option and its value do not count as words
	assert_equal "$(both --root "$ROOT" set 100 --mode args A40-48Q)" A40-48Q
	assert_equal "$(both --root="$ROOT" create -- A40-48Q)" A40-48Q
}

@test "types of parents that are no GPU are not offered, nor are the rows of GPU instances" {
	node p40-foreign-parents
	assert_equal "$(both --root "$ROOT" create P40-24)" $'P40-24Q\nP40-24A\nP40-24C'
	[ "$(both --root "$ROOT" create '' | grep -cv '^P40-')" -eq 0 ]
	ROOT=$BATS_TEST_TMPDIR/mig
	node a100-mig
	assert_equal "$(both --root "$ROOT" create A100-1-)" $'A100-1-5C\nA100-1-5CME\nA100-1-10C'
	[ "$(both --root "$ROOT" create '' | grep -cv '^A100-')" -eq 0 ]
	assert_equal "$(both --root "$ROOT" create --gpu A)" A100
}

@test "GPUs by address and by board, where bash takes a colon for the end of a word" {
	node a40x8-mdev
	assert_equal "$(in_bash --root "$ROOT" create --gpu '' | tail -2)" $'0000:e8:00.0\nA40'
	assert_equal "$(both --root "$ROOT" create --gpu A)" A40
	assert_equal "$(in_bash --root "$ROOT" create --gpu 0000:e8)" e8:00.0
	assert_equal "$(in_bash --root "$ROOT" create --gpu=0000:e8:)" 00.0
	assert_equal "$(in_bash --root "$ROOT" create --gpu=A4)" A40
	in_zsh --root "$ROOT" create --gpu '' | grep -qx $'0000:e8:00.0\tA40'
	in_zsh --root "$ROOT" create --gpu=00 | grep -qx -- $'--gpu=0000:e8:00.0\tA40'
	assert_equal "$(in_bash --root "$ROOT" sriov enable 0000:e)" $'e5:00.0\ne6:00.0\ne7:00.0\ne8:00.0'
	assert_equal "$(both --root "$ROOT" sriov disable a)" all
	in_zsh --root "$ROOT" sriov enable '' | grep -qx $'0000:67:00.0\tNVIDIA, VFs 32/32'
	# A word break that an admin has taken out of the list
	run -0 bash --norc -euc '. "$0"; COMP_WORDBREAKS=" " COMP_LINE=$1 COMP_POINT=${#1}; _pve_vgpu; printf "%s\n" "${COMPREPLY[@]}"' \
		"$HERE/pve-vgpu.bash" "pve-vgpu --root $ROOT create --gpu=0000:e8"
	assert_equal "$output" --gpu=0000:e8:00.0
}

@test "VMs of this node, of the cluster, and of the settings, with their names" {
	node a40x8-mdev
	mkdir -p "$ROOT/etc/pve/nodes/pve2/qemu-server"
	vm 100 'memory: 2048' '[snapshot]' 'name: old'
	printf 'memory: 2048\n' > "$ROOT/etc/pve/qemu-server/101.conf"
	printf 'name: far\n' > "$ROOT/etc/pve/nodes/pve2/qemu-server/200.conf"
	intent 100 A40-24A
	intent 200 A40-24A
	intent 999 A40-24A
	for words in plan guest hook; do
		assert_equal "$(both --root "$ROOT" $words 1)" $'100\n101'
		assert_equal "$(in_zsh --root "$ROOT" $words '')" $'100\tvm100\n101'
	done
	assert_equal "$(in_zsh --root "$ROOT" set '')" $'100\tvm100\n101\n200\tfar'
	assert_equal "$(in_zsh --root "$ROOT" show '')" $'100\tvm100\n101\n200\tfar\n999'
	assert_equal "$(in_zsh --root "$ROOT" unset '')" $'100\tvm100\n200\tfar\n999'
	assert_equal "$(both --root "$ROOT" unset '')" $'100\n200\n999'
	printf 'name: a:b\033[1m%%s\n' > "$ROOT/etc/pve/qemu-server/101.conf"
	in_zsh --root "$ROOT" plan '' | grep -qxF $'101\ta:b[1m%s'
}

@test "vGPUs to be removed by UUID, or by VF where there is none" {
	local id

	node a40x8-mdev
	id=$(pve_vgpu create A40-24A --json | jq -r .uuid)
	assert_equal "$(both --root "$ROOT" remove '')" "$id"
	in_zsh --root "$ROOT" remove '' | grep -qx "$id"$'\tA40-24A, standalone'
	ROOT=$BATS_TEST_TMPDIR/vendor
	node a40x8-vfio
	pve_vgpu create --gpu "$PF1" A40-24A
	assert_equal "$(in_bash --root "$ROOT" remove 0000:)" "${VF1#0000:}"
}

@test "actions, phases, and the values of options" {
	node a40x8-mdev
	printf 'dir: local\n\tpath /var/lib/vz\n\nlvmthin: local-lvm\n\tvgname pve\n' > "$ROOT/etc/pve/storage.cfg"
	assert_equal "$(both sriov '')" $'status\nenable\ndisable'
	assert_equal "$(both scheduler '')" $'status\napply'
	assert_equal "$(both scheduler apply '')" $'--dry-run\n--json'
	assert_equal "$(both snippet '')" $'install\nstatus\nremove'
	for words in 'hook 100' 100 'hook --dry-run 100'; do
		# shellcheck disable=SC2086
		assert_equal "$(both $words '')" $'pre-start\npost-start\npre-stop\npost-stop'
	done
	assert_equal "$(both set 100 A40-24A --mode '')" $'auto\nnative\nargs\nwrapper'
	assert_equal "$(both set 100 A40-24A --placement s)" spread
	assert_equal "$(both set 100 A40-24A --display o)" $'on\noff'
	assert_equal "$(both unset 100 --index 1)" $'1\n10\n11\n12\n13\n14\n15'
	assert_equal "$(in_zsh --root "$ROOT" snippet install --storage '')" $'local\tdir\nlocal-lvm\tlvmthin'
	assert_equal "$(in_bash create --uuid '')" ''
	assert_equal "$(in_bash version '')" ''
}

@test "what --mode, --placement and --display are offered as, the program takes" {
	local value

	node a40x8-mdev
	[ "$(in_bash set 100 A --mode '' | wc -l)" -eq 4 ]
	for value in $(in_bash set 100 A --placement ''); do
		settings '[vm 100]' 'hostpci0 = A40-24A' "placement = $value"
		run -1 pve_vgpu plan 100
		assert_output 'VM 100 has no configuration'
	done
	for value in $(in_bash set 100 A --display ''); do
		settings '[vm 100]' 'hostpci0 = A40-24A' "display = $value"
		run -1 pve_vgpu plan 100
		assert_output 'VM 100 has no configuration'
	done
	for value in $(in_bash set 100 A --mode '' | grep -vx auto); do
		settings '[vm 100]' 'hostpci0 = A40-24A' "mode = $value"
		run -1 pve_vgpu plan 100
		assert_output 'VM 100 has no configuration'
	done
	settings '[vm 100]' 'hostpci0 = A40-24A' 'mode = auto'
	run -1 pve_vgpu plan 100
	assert_output 'pve-vgpu.conf:3'
}

@test "files and directories are the shell's to complete" {
	cd "$BATS_TEST_TMPDIR"
	mkdir tokens
	: > tokens.tok
	assert_equal "$(in_bash guest 100 --token-file tok | sort)" $'tokens\ntokens.tok'
	assert_equal "$(in_bash guest 100 --output tok | sort)" $'tokens\ntokens.tok'
	assert_equal "$(in_bash --root tok)" tokens
	assert_equal "$(in_bash --root=tok)" tokens
	assert_equal "$(in_zsh guest 100 --token-file tok)" 'files '
	assert_equal "$(in_zsh --root tok)" 'files -/'
}

@test "a driver that hangs does not hold up the terminal, nor leave anything behind" {
	local begin

	node a40x8-mdev
	delay '*/0000:67:00.4/*' 60000
	begin=$SECONDS
	assert_equal "$(both --root "$ROOT" set 100 A40)" ''
	[ $((SECONDS - begin)) -lt 30 ]
	run ! pgrep -f -- "--root $ROOT types"
	delay clear
}

@test "what an admin has written of an option is text, also where it looks like a program of sed's" {
	cd "$BATS_TEST_TMPDIR"
	run -1 "$TOP/completions/complete" pve-vgpu set 100 $'--x/w made\n#=a'
	assert_equal "$output" ''
	[ ! -e made ]
	run -0 "$TOP/completions/complete" pve-vgpu set 100 A40-24A --mode=
	assert_output $'--mode=auto\n--mode=native\n--mode=args\n--mode=wrapper'
	run -0 "$TOP/completions/complete" pve-vgpu guest 100 --token-file=
	assert_output ':files'
}

@test "the shell may part words at whatever it likes" {
	local ifs

	for ifs in : c '' $'\n' ' '; do
		run -0 bash --norc -uc 'IFS=$2; . "$0"; COMP_LINE=$1 COMP_POINT=${#1}; _pve_vgpu; echo "${COMPREPLY[0]}"' \
			"$HERE/pve-vgpu.bash" 'pve-vgpu sch' "$ifs"
		assert_equal "$output" scheduler
	done
}

@test "without a word where there is nothing to read" {
	local path words line

	mkdir -p "$BATS_TEST_TMPDIR/empty"
	for words in 'set ' 'set 100 ' 'create --gpu ' 'remove ' 'plan ' 'unset ' 'snippet install --storage ' 'show '; do
		# An empty word behind the last blank
		IFS=' ' read -ra line <<< "--root $BATS_TEST_TMPDIR/empty $words"
		run in_bash "${line[@]}" ''
		refute_output ' '
		refute_output '*'
		run in_zsh "${line[@]}" ''
		refute_output ': '
		refute_output '*'
	done
	# Neither where the program is gone, nor what it is asked through
	mkdir "$BATS_TEST_TMPDIR/bin"
	for words in bash zsh sed awk tr grep seq cat; do
		ln -s "$(command -v $words)" "$BATS_TEST_TMPDIR/bin/$words"
	done
	path=$PATH PATH=$BATS_TEST_TMPDIR/bin
	assert_equal "$(in_bash '')$(in_zsh '' | grep -v '^--')" $'--root\n--help\n--version'
	assert_equal "$(in_bash set 100 '')$(in_zsh set 100 '')" ''
	PATH=$path
	sed -i "s|$TOP/completions/complete|/nowhere/complete|" "$HERE"/*
	assert_equal "$(in_bash '')$(in_zsh '')" ''
}

@test "on a terminal bash and zsh write what the completion says" {
	local keys=$'--root R create --gpu 0000:e8\tA40-48A\t'

	node a40x8-mdev
	cd "$BATS_TEST_TMPDIR"
	ln -s "$ROOT" R
	cat > bashrc <<- END
	. "$HERE/pve-vgpu.bash"
	bind 'set enable-bracketed-paste off'
	shown() { printf '%s\n' "\$READLINE_LINE" > shown; exit; }
	bind -x '"\C-xs": shown'
	PS1='READY> '
	END
	mkdir zsh
	echo 'unsetopt GLOBAL_RCS' > zsh/.zshenv
	cat > zsh/.zshrc <<- END
	fpath=("$HERE" \$fpath)
	autoload -Uz compinit
	compinit -D -u
	bindkey -e
	shown() { print -r -- "\$BUFFER" > shown; exit }
	zle -N shown
	bindkey '^Xs' shown
	PS1='READY> '
	END
	python3 "$TOP/tests/bats/terminal.py" 'READY> ' "pve-vgpu $keys"$'\x18s' bash --noprofile --rcfile bashrc -i
	assert_equal "$(cat shown)" 'pve-vgpu --root R create --gpu 0000:e8:00.0 A40-48A '
	rm shown
	ZDOTDIR=zsh python3 "$TOP/tests/bats/terminal.py" 'READY> ' "pve-vgpu $keys"$'\x18s' zsh -i
	assert_equal "$(cat shown)" 'pve-vgpu --root R create --gpu 0000:e8:00.0 A40-48A '
	# A file behind OPTION=
	touch client.tok
	keys=$'guest 100 --token-file=clie\t\x18s'
	python3 "$TOP/tests/bats/terminal.py" 'READY> ' "pve-vgpu $keys" bash --noprofile --rcfile bashrc -i
	assert_equal "$(cat shown)" 'pve-vgpu guest 100 --token-file=client.tok '
	ZDOTDIR=zsh python3 "$TOP/tests/bats/terminal.py" 'READY> ' "pve-vgpu $keys" zsh -i
	assert_equal "$(cat shown)" 'pve-vgpu guest 100 --token-file=client.tok '
}
