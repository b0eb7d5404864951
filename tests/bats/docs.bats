# SPDX-License-Identifier: AGPL-3.0-or-later
# What is written about the program is what the program does.

load helper

teardown() {
	node_teardown
}

setup() {
	cd "$TOP" || return
	commands=$("$PVE_VGPU" --help | sed -n '/^commands:/,/^options:/s/^  \([a-z][a-z]*\)\( .*\)\?$/\1/p')
}

# The options of one command as --help has them
options_of() {
	"$PVE_VGPU" --help | sed -n "s/^  $1\( .*\)\?\$/\1/p" | grep -oE -- '--[a-z-]+' | sort -u
}

@test "--help names the commands" {
	assert_equal "$(wc -w <<< "$commands")" 17
}

@test "the man page describes every command with its options, and no other" {
	local cmd opt page

	page=$(sed -n '/^\.SH COMMANDS/,/^\.SH OPTIONS/p' man/pve-vgpu.8 | sed 's/\\f.//g; s/\\-/-/g; s/"//g')
	for cmd in $commands; do
		grep -qE "^\.(B|BR|BI) $cmd( |\$)" <<< "$page" || { echo "no $cmd"; return 1; }
		for opt in $(options_of "$cmd"); do
			grep -E "^\.(B|BR|BI) $cmd( |\$)" <<< "$page" | sed 's/ //g' | grep -q -- "$opt" ||
				{ echo "no $opt in $cmd"; return 1; }
		done
	done
	assert_equal "$(grep -cE '^\.(B|BR|BI) [a-z]+( |$)' <<< "$(grep -A1 '^\.TP' <<< "$page")")" "$(wc -w <<< "$commands")"
}

@test "every key of the settings is in README and in the man page" {
	local key keys

	# as the program has them
	mapfile -t keys < <(sed -n '/^static const char \*const [a-z_]*_keys/,/;/p' lib/settings.c | grep -oE '"[a-z-]+"' | tr -d '"' | sort -u)
	[ "${#keys[@]}" -ge 14 ]
	for key in "${keys[@]}" 'hostpci<N>' 'was-hostpci<N>'; do
		grep -qF "| \`$key\` |" README.md || { echo "README: $key"; return 1; }
		sed 's/\\-/-/g' man/pve-vgpu.conf.5 | grep -E '^\.BI?R? ' | grep -qF "$key" || { echo "man page: $key"; return 1; }
	done
	# and the program knows each of them
	node a40x8-mdev
	vm 100
	settings '[defaults]' 'gpu = 0000:67:00.0, A40' 'placement = spread' 'cleanup-wait = 1' 'start-grace = 1' \
		'lock-wait = 1' 'inject-uuid = no' '[vm 100]' 'hostpci0 = A40-24A' 'params = frame_rate_limiter=0' \
		'mode = args' 'x-vga = no' 'pcie = yes' 'display = on' 'ramfb = yes' 'identity = ctime:1' \
		'next-hook = local:snippets/own.sh' 'was-hostpci0 = 0000:01:00.0'
	vm 100 'meta: ctime=1' "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	run pve_vgpu plan 100
	assert_success
	assert_output 0000:67:00.4
}


@test "every key of node.conf is in its man page, no other is, and the page's example is good" {
	local keys documented

	keys=$(sed -n '/^static const char \*const [a-z_]*_keys/,/;/p' lib/node_conf.c | grep -oE '"[a-z-]+"' | tr -d '"' | sort -u)
	[ "$(wc -w <<< "$keys")" -ge 11 ]
	documented=$(sed -n '/^\.SH KEYS OF GPUS/,/^\.SH AT BOOT/s/^\.BI\?R\? \([a-z-]*\) " = .*/\1/p' man/pve-vgpu-node.conf.5 | sort -u)
	assert_equal "$documented" "$keys"
	node a40x8-mdev
	mkdir -p "$ROOT/etc/pve-vgpu"
	sed -n '/^\.SH EXAMPLES/,/^\.fi/p' man/pve-vgpu-node.conf.5 | sed '/^\./d' > "$ROOT/etc/pve-vgpu/node.conf"
	run -0 --separate-stderr pve_vgpu sriov status --json
	assert_equal "$(jq -c '[.[] | select(.gpu != "0000:3b:00.0") | .problem] | unique' <<< "$output")" '[null]'
	# All that is said of the file: that the board of its example is not here.
	assert_equal "$stderr" 'pve-vgpu: /etc/pve-vgpu/node.conf:8: no GPU with SR-IOV here is known to be a L40S'
	sed -i '/^gpu = /d' "$ROOT/etc/pve-vgpu/node.conf"
	run -0 pve_vgpu create --configured --dry-run
	assert_output 'would make: A40-24A'
}

@test "the fields that docs/json.md names are those that are printed" {
	local doc got

	node a40x8-mdev
	vm 100
	intent 100 A40-24A
	doc=$(sed -n '/^## `types/,/^## `list/s/^| `\([a-z_]*\)` .*/\1/p' docs/json.md | sort)
	got=$(pve_vgpu types --json | jq -r '.[0] | keys[]' | sort)
	assert_equal "$doc" "$got"
	doc=$(sed -n '/^## `doctor/,/^## `types/s/^| `\([a-z_]*\)` .*/\1/p' docs/json.md | sort)
	got=$({ pve_vgpu doctor --json 2> /dev/null || true; } | jq -r '.[0] | keys[]' | sort)
	assert_equal "$doc" "$got"
	hook 100 pre-start 2> /dev/null
	doc=$(sed -n '/^## `show/,/^## `create/s/^| \(`.*`\) | .*/\1/p' docs/json.md | cut -d'|' -f1 | grep -oE '[a-z_]+' | sort -u)
	got=$(pve_vgpu show --json | jq -r '.[0] | keys[]' | sort)
	assert_equal "$doc" "$got"
	doc=$(sed -n '/^## `list/,/^## `plan/s/^| \(`.*`\) | .*/\1/p' docs/json.md | cut -d'|' -f1 | grep -oE '[a-z_]+' | sort -u)
	got=$(pve_vgpu list --json | jq -r '.[0] | keys[]' | sort)
	assert_equal "$doc" "$got"
}

@test "the example in pve-vgpu.conf(5) is one that the program takes" {
	node a40x8-mdev
	vm 100 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 100)"
	sed -n '/^\.SH EXAMPLES/,/^\.fi/p' man/pve-vgpu.conf.5 | sed '/^\./d' > "$ROOT/etc/pve/pve-vgpu.conf"
	run pve_vgpu plan 100
	assert_success
	assert_output 'A40-24A'
	refute_output 'pve-vgpu.conf:'
}

@test "pve-vgpu-hook(8) has the phases, settings, locks, variables and files that the program has" {
	local page key seconds lock name
	local -a locks names

	page=$(sed 's/\\-/-/g; s/\\f.//g' man/pve-vgpu-hook.8)
	grep -qx '\.B post-stop' <<< "$page"
	assert_equal "$(sed -n '/^\.SH PHASES/,/^\.SH THE NEXT/s/^\.B \(p[a-z-]*\)$/\1/p' <<< "$page" | tr '\n' ' ')" \
		"$(sed -n '/^} phases\[\]/,/^};/s/.*{ "\([a-z-]*\)",.*/\1/p' pve-helper/hook.c | tr '\n' ' ')"
	for key in lock-wait cleanup-wait start-grace; do
		seconds=$(sed -n "s/^| \`\[defaults\]\` | \`$key\` |.* | \([0-9]*\) |$/\1/p" README.md)
		tr '\n' ' ' <<< "$page" | grep -q "\.B $key ($seconds s)" || { echo "$key ($seconds s)"; return 1; }
	done
	mapfile -t locks < <(sed -n 's/.*LOCK_DIR "\/\(vm-\|gpu-\|node\).*/\1/p' lib/lock.c)
	assert_equal "${#locks[@]}" 3
	for lock in "${locks[@]}"; do
		sed -n '/^\.SH LOCKS/,/^\.SH SETTINGS/p' <<< "$page" | grep -qE "^\.BI? $lock" || { echo "lock $lock"; return 1; }
	done
	mapfile -t names < <(grep -hoE '"PVE_(MIGRATED|VGPU_NEXT)[A-Z_]*"' pve-helper/*.c | tr -d '"')
	assert_equal "${#names[@]}" 2
	for name in "${names[@]}"; do
		grep -qx "\.B $name" <<< "$page" || { echo "variable $name"; return 1; }
	done
	# Its example of a message is one: the words between the VM and the type are the program's.
	node a40x8-mdev
	vm 101 "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/$(uuid 101)"
	settings '[vm 101]' 'hostpci0 = A40-48A' 'gpu = 0000:67:00.0'
	pve_vgpu create --gpu 0000:67:00.0 A40-48A
	run -1 hook 101 pre-start
	assert_equal "$(head -1 <<< "$output")" "$(sed -n '/^\.SH MESSAGES/,/^\.SH/s/^pve-vgpu: //p' <<< "$page" | sed 's/^/pve-vgpu: /')"
	assert_output "$(sed -n '/^\.SH MESSAGES/,/^\.SH/s/^hint: //p' <<< "$page")"
}

@test "docs/architecture.md has a place for every source file, and its picture is a picture" {
	local named file base pattern found

	mapfile -t named < <(grep -oE '`[a-z_/*-]+`' docs/architecture.md | tr -d '`' | sed 's|.*/||' | sort -u)
	for file in lib/*.c pve-helper/*.c qemu-wrapper/*.c; do
		base=${file##*/}
		base=${base%.c}
		found=''
		for pattern in "${named[@]}"; do
			# shellcheck disable=SC2053
			[[ $base != $pattern ]] || found=1
		done
		[ -n "$found" ] || { echo "no place for $file"; return 1; }
	done
	grep -qF '](architecture.svg)' docs/architecture.md
	python3 -c 'import sys, xml.dom.minidom; sys.exit(xml.dom.minidom.parse(sys.argv[1]).documentElement.tagName != "svg")' docs/architecture.svg
}

@test "docs/add-a-framework.md names every file that asks which framework it is, and no other" {
	local asking named file

	asking=$(grep -lE 'FRAMEWORK_(MDEV|NVIDIA_VFIO)|framework_(mdev|nvidia_vfio)\b' lib/*.c pve-helper/*.c qemu-wrapper/*.c |
		grep -v '^lib/framework_')
	named=$(sed -n '/^## Who asks/,/^The second row/p' docs/add-a-framework.md | grep -oE '`[a-z-]+/[a-z_]+\.c`' | tr -d '`' | sort -u)
	[ "$(wc -l <<< "$asking")" -gt 20 ]
	assert_equal "$named" "$asking"
	# What else it names is there
	for file in $(grep -oE '`(lib|pve-helper|qemu-wrapper|tests)/[A-Za-z_/-]+(\.[a-z]+)?`' docs/*.md | cut -d: -f2 | tr -d '`' | sort -u); do
		compgen -G "$file" > /dev/null || compgen -G "$file.[ch]" > /dev/null || { echo "$file"; return 1; }
	done
}

@test "the versions in the Makefile, the man page and the changelog are one" {
	local v page

	v=$(sed -n 's/^VERSION := //p' Makefile)
	assert_equal "$("$PVE_VGPU" version)" "pve-vgpu $v"
	for page in man/*.[58]; do
		grep -q "\"pve-vgpu $v\"" "$page"
	done
	grep -q "^pve-vgpu ($v)" debian/changelog
}

@test "the licence is whole in debian/copyright, as in COPYING" {
	local from

	assert_equal "$(sha256sum < COPYING)" '0d96a4ff68ad6d4b6f1f30f713b18d5184912ba8dd389f86aa7710db079abcb0  -'
	from=$(grep -n '^ *GNU AFFERO GENERAL PUBLIC LICENSE$' debian/copyright | cut -d: -f1)
	tail -n "+$from" debian/copyright | sed '/^$/,$d; s/^ //; s/^\.$//' | diff COPYING -
}

@test "the man pages have no faults that man sees" {
	local page

	for page in man/*.[58]; do
		# A page may speak of warnings itself.
		run -0 --separate-stderr env LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$page"
		assert_equal "$stderr" ''
	done
	# It looks at all: a macro that is none is told.
	{ cat "$page"; echo '.NONSENSE'; } > "$BATS_TEST_TMPDIR/page.8"
	run -0 --separate-stderr env LC_ALL=C.UTF-8 man --warnings -l "$BATS_TEST_TMPDIR/page.8"
	[[ $stderr == *NONSENSE* ]]
}

@test "the wrapper's paths are one in program, package and man page" {
	local kvm program diverted f

	kvm=$(sed -n 's/^#define WRAPPER_KVM[[:blank:]]*"\([^"]*\)".*/\1/p' lib/wrapper_there.h)
	program=$(sed -n 's/^#define WRAPPER_PROGRAM[[:blank:]]*"\([^"]*\)".*/\1/p' lib/wrapper_there.h)
	diverted=$(sed -n 's/^#define WRAPPER_DIVERTED[[:blank:]]*"\([^"]*\)".*/\1/p' lib/wrapper_there.h)
	grep -qx "$program $kvm" debian/pve-vgpu-qemu-wrapper.links
	grep -qx "$program" debian/pve-vgpu-qemu-wrapper.install
	for f in preinst postrm; do
		grep -qx "kvm=/$kvm" debian/pve-vgpu-qemu-wrapper.$f
		grep -qx "distrib=/$diverted" debian/pve-vgpu-qemu-wrapper.$f
	done
	grep -q "touch /$program\$" debian/pve-vgpu-qemu-wrapper.postinst
	for f in "$kvm" "$program" "$diverted"; do
		grep -q "^\.IR* /$f\b" man/pve-vgpu-qemu-wrapper.8 || { echo "man page: $f"; return 1; }
	done
}

@test "docs/security.md: each row of its table names tests, and each test that it names is there" {
	local rows file name n=0

	rows=$(sed -n '/^| --- /,/^$/p' docs/security.md | sed '1d;$d')
	[ "$(wc -l <<< "$rows")" -ge 20 ]
	run -1 grep -vE '`tests/[^`]+`: "[^"]+" \|$' <<< "$rows"
	while IFS=$'\t' read -r file name; do
		grep -qF -e "@test \"$name\" {" -e "TEST(\"$name\")" "$file" || { echo "$file: $name"; return 1; }
		n=$((n + 1))
	done < <(grep -oE '`tests/[^`]+`: "[^"]+"' docs/security.md | sed 's/^`//; s/`: "/\t/; s/"$//')
	[ $n -ge 35 ]
}
