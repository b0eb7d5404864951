# SPDX-License-Identifier: AGPL-3.0-or-later
# What README says to an admin: every command of its examples runs here, in its order, on a simulated node with stand-ins for
# Proxmox VE's programs; its files are taken; and the messages that it explains are the program's.

load set_helper

# doctor_helper's words for a node that is as it should be
load_doctor_helper() {
	local BATS_TEST_DIRNAME=$BATS_TEST_DIRNAME/../bats

	load doctor_helper
}
load_doctor_helper

README=$TOP/README.md

# What cannot run in a test, each with what shows it instead
declare -gA ELSEWHERE=(
	['apt-get update']='changes this machine; .ci/run runs it before the tests'
	['apt-get build-dep -y ./']='changes this machine; .ci/run runs it before the tests'
	['make check']='would run this test'
	['apt-get install -y dpkg-dev']='changes this machine; tests/package/root has it'
	['dpkg-buildpackage -us -uc -b']='takes minutes; tests/package/build'
	['apt install ./pve-vgpu_*_amd64.deb']='changes this machine; tests/package/story'
	['apt install ./pve-vgpu_*_amd64.deb ./pve-vgpu-qemu-wrapper_*_amd64.deb']='changes this machine; tests/package/story'
)

# blocks KIND: the lines of README's code blocks of that kind (commands, files, doctor), with an empty line behind each block,
# and of commands @section where a section begins
blocks() {
	awk -v wanted="$1" '
		/^    / {
			line = substr($0, 5)
			if (kind == "")
				kind = line ~ /^\[/ ? "files" : line ~ /^no   / ? "doctor" : "commands"
			if (kind == wanted) print line
			next
		}
		kind == wanted { print "" }
		wanted == "commands" && /^###/ { print "@section" }
		{ kind = "" }' "$README"
}

# commands: a line each, without comments; what && joins is several
commands() {
	blocks commands | sed '/^$/d; /^@section$/d; s/ *# .*//; s/ && /\n/g'
}

# told: the same, with @section
told() {
	blocks commands | sed '/^$/d; s/ *# .*//; s/ && /\n/g'
}

# inline PATTERN: the code in README's sentences that matches, once each
inline() {
	sed '/^    /d' "$README" | tr '\n' ' ' | grep -oE '`[^`]+`' | tr -d '`' | grep -E "$1" | sort -u
}

# readme_node: what the examples speak of, with nothing of ours on it yet
readme_node() {
	set_node mdev
	well 5.15.158-2-pve
	put_tools here here
	pve_version 9.2.6
	printf '#!/bin/sh\nexec "%s" --root "%s" "$@"\n' "$PVE_VGPU" "$ROOT" > "$ROOT/usr/bin/pve-vgpu"
	rm "$ROOT/var/lib/vz/snippets/pve-vgpu"
	pve_vm 100
	BIN=$BATS_TEST_TMPDIR/bin
	mkdir -p "$BIN"
	# A snippet's link leads to /usr/bin/pve-vgpu, which for who runs it is not that of ROOT.
	cat > "$BIN/pve-vgpu" <<- END
	#!/bin/sh
	"$PVE_VGPU" --root "$ROOT" "\$@" || exit
	[ "\$1" != snippet ] || ln -sfn ../../../../usr/bin/pve-vgpu "$ROOT/var/lib/vz/snippets/pve-vgpu"
	END
	cat > "$BIN/qm" <<- END
	#!/bin/sh
	case \$1 in
	start|stop) exec "$QM" --root "$ROOT" --kvm "$KVM" --tick "$TICK" --pve "$PVE" "\$@" ;;
	*) exec "$ROOT/usr/sbin/qm" "\$@" ;;
	esac
	END
	chmod +x "$BIN"/*
}

# example COMMAND: as an admin types it
example() {
	(cd "$TOP" && env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS PATH="$BIN:$PATH" bash -euc "$1") 3>&-
}

@test "every command of README's examples runs, in its order" {
	local command said=0 ran=0

	readme_node
	while IFS= read -r command <&4; do
		# A section speaks of a VM that was not touched yet.
		if [ "$command" = @section ]; then
			pve_vm 100
			rm -f "$ROOT/etc/pve/pve-vgpu.conf"
			continue
		fi
		if [ -n "${ELSEWHERE[$command]:-}" ]; then
			said=$((said + 1))
			continue
		fi
		case $command in
		'make demo'|'pve-vgpu '*|'qm '*) ;;
		*) echo "neither run here nor in the list of what cannot: $command"; return 1 ;;
		esac
		run example "$command"
		[ "$status" -eq 0 ] || { echo "$command"; assert_success; }
		refute_output 'failed'
		ran=$((ran + 1))
		case $command in
		'qm start 100') assert_equal "$(vgpus | wc -l)" 1 ;;
		'qm stop 100') assert_no_vgpus ;;
		esac
	done 4< <(told)
	[ "$ran" -ge 12 ]
	[ "$said" -ge "${#ELSEWHERE[@]}" ]
}

@test "what cannot run here is in README, each with a reason" {
	local command

	[ "${#ELSEWHERE[@]}" -ge 5 ]
	for command in "${!ELSEWHERE[@]}"; do
		commands | grep -qxF -- "$command" || { echo "not in README: $command"; return 1; }
		[ -n "${ELSEWHERE[$command]}" ]
	done
}

@test "the first VM takes five commands, and is back as it was after two" {
	local before

	readme_node
	assert_equal "$(sed -n '/^### A first VM, in five commands/,/^Then/p' "$README" | grep -c '^    ')" 5
	before=$(conf 100)
	while IFS= read -r command <&4; do
		example "$command" > /dev/null
	done 4< <(sed -n '/^### A first VM/,/^`set` writes/s/^    //p' "$README")
	assert_equal "$(conf 100)" "$before"
}

@test "both ways by hand give the VM its vGPU" {
	local command

	readme_node
	example 'pve-vgpu snippet install'
	blocks files | sed -n '/^\[vm /,/^$/p' > "$ROOT/etc/pve/pve-vgpu.conf"
	example "$(inline '^qm set 100 --hookscript ')"
	for command in --hostpci0 --args; do
		example "$(commands | grep -- "^qm set 100 $command ")"
		works example 'qm start 100'
		assert_equal "$(vgpus | wc -l)" 1
		works example 'qm stop 100'
		assert_no_vgpus
		example "qm set 100 --delete ${command#--}"
	done
}

@test "the files of README's examples are taken" {
	local file=$BATS_TEST_TMPDIR/file kinds=0

	readme_node
	blocks files | csplit -sz -f "$file" - '/^$/+1' '{*}'
	for file in "$file"*; do
		kinds=$((kinds + 1))
		case $(head -1 "$file") in
		'[vm '*)
			cp "$file" "$ROOT/etc/pve/pve-vgpu.conf"
			admin_edits 100 '$aargs: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000100'
			run pve_vgpu plan 100
			assert_success
			assert_output 'A40-24A'
			;;
		'[gpu '*|'[vgpu '*)
			cp "$file" "$ROOT/etc/pve-vgpu/node.conf"
			for command in 'sriov status' 'scheduler status' 'create --configured --dry-run'; do
				# shellcheck disable=SC2086
				run pve_vgpu $command
				refute_output 'node.conf:'
			done
			! grep -q '^type' "$file" || assert_output "would make: $(sed -n 's/^type = //p' "$file")"
			;;
		*) echo "what is this?"; cat "$file"; return 1 ;;
		esac
	done
	[ "$kinds" -ge 4 ]
}

@test "doctor says what README shows of it" {
	local line

	node sick-no-vfs
	run on_tty env NO_COLOR=1 "$PVE_VGPU" --root "$ROOT" doctor
	while IFS= read -r line <&4; do
		assert_output "$line"
	done 4< <(blocks doctor | sed '/^$/d')
	[ "$(blocks doctor | wc -l)" -ge 4 ]
}

@test "no command that README names in a sentence is wrong usage" {
	local command n=0

	readme_node
	example 'pve-vgpu snippet install; pve-vgpu set 100 A40-24A'
	while IFS= read -r command <&4; do
		command=$(sed 's/<vmid>/100/g; s/<uuid>/6f1c2a52-5d35-4c3e-9d8e-3a8c2f0f7c11/g; s/<address>/0000:e8:00.4/g' <<< "$command")
		case $command in
		*[…\<]*) continue ;;
		*' '*' '*) ;;
		# Named, not shown as it is called
		*) command="$command --help" ;;
		esac
		run example "$command"
		[ "$status" -ne 2 ] || { echo "$command"; echo "$output"; return 1; }
		n=$((n + 1))
	done 4< <(inline '^pve-vgpu [a-z-]')
	[ "$n" -ge 10 ]
}

@test "the make targets that README names are there" {
	local target n=0

	for target in $(inline '^make [a-z]' | grep -oE 'make [a-z-]+' | cut -d' ' -f2 | sort -u); do
		grep -qE "^$target:" "$TOP/Makefile" || { echo "make $target"; return 1; }
		n=$((n + 1))
	done
	[ "$n" -ge 6 ]
}

@test "the messages that README explains are in the programs" {
	local cell message pattern n=0

	cat "$PVE_VGPU" "$TOP/qemu-wrapper/qemu-wrapper" "$TOP"/debian/*.{pre,post}* | tr '\0' '\n' > "$BATS_TEST_TMPDIR/texts"
	while IFS= read -r cell <&4; do
		while IFS= read -r message; do
			# What stands for a name or a number is one in the program, too.
			pattern=$(sed 's/[][\\.*^$]/\\&/g; s/…/.*/g' <<< "$message")
			grep -aq -- "$pattern" "$BATS_TEST_TMPDIR/texts" || { echo "not in the programs: $message"; return 1; }
			n=$((n + 1))
		done < <(grep -oE '`[^`]+`' <<< "$cell" | tr -d '`')
	done 4< <(sed -n '/^| message | what to do |/,/^$/p' "$README" | sed '1,2d; /^$/d' | sed 's/^| \(.*\) | .*/\1/; s/` | .*/`/')
	[ "$n" -ge 35 ]
}

@test "a backup of a stopped VM needs a free vGPU" {
	set_node mdev
	pve_vm 100
	set_ok 100 A40-48A --mode args
	pve_vgpu create --gpu 0000:e8:00.0 A40-48A
	admin_edits 100 '$alock: backup'
	works qm backup 100
	assert_equal "$(vgpus | wc -l)" 2
	works qm backup-stop 100
	assert_equal "$(vgpus | wc -l)" 1
	pve_vgpu create --gpu 0000:e9:00.0 A40-48A
	run qm backup 100
	assert_failure
	assert_output 'no GPU of this node has room'
}
