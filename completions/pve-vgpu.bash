# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# Bash completion for pve-vgpu.

_pve_vgpu() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd='' i
	local commands='doctor types list plan show set unset create remove gc sriov scheduler hook snippet guest reconcile version'
	local phases='pre-start post-start pre-stop post-stop'
	local words=''

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--root) i=$((i + 1)) ;;
		-*) ;;
		*) cmd=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $prev in
	--root) mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
	--gpu) words=$(pve-vgpu types 2>/dev/null | cut -f1 | sort -u) ;;
	--token-file|--output) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
	--storage) words=$(pvesm status 2>/dev/null | awk 'NR > 1 { print $1 }') ;;
	--uuid|--params) return ;;
	--index) words='0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15' ;;
	--placement) words='first spread pack' ;;
	--mode) words='auto native args wrapper' ;;
	--display) words='on off auto' ;;
	*)
		case $cmd in
		'') words="$commands --root --help --version" ;;
		doctor|types|list) words='--json' ;;
		plan) words="--fit --json $(_pve_vgpu_vmids)" ;;
		show) words="--json $(_pve_vgpu_all_vmids)" ;;
		set)
			if [ "$i" -eq $((COMP_CWORD - 1)) ]; then
				words=$(_pve_vgpu_all_vmids)
			else
				words="$(_pve_vgpu_types) --index --gpu --placement --params --mode --x-vga --no-x-vga --pcie --no-pcie --display --ramfb --no-ramfb --dry-run"
			fi
			;;
		unset) words="--index --dry-run $(_pve_vgpu_all_vmids)" ;;
		create) words="--uuid --gpu --params --configured --dry-run --json $(_pve_vgpu_types)" ;;
		remove) words="--dry-run $(pve-vgpu list 2>/dev/null | awk -F'\t' '{ print $5 == "-" ? $2 : $5 }')" ;;
		gc) words='--keep-settings --quiet --dry-run' ;;
		reconcile) words='--dry-run' ;;
		sriov) words="status enable disable all --configured --dry-run --json $(pve-vgpu sriov status 2>/dev/null | cut -f1)" ;;
		scheduler) words='status apply --dry-run --json' ;;
		hook)
			if [ "$i" -eq $((COMP_CWORD - 1)) ]; then
				words="--dry-run $(_pve_vgpu_vmids)"
			else
				words="--dry-run $phases"
			fi
			;;
		snippet) words='install status remove --storage --enable --dry-run --json' ;;
		guest) words="--token-file --storage --output --dry-run $(_pve_vgpu_vmids)" ;;
		[0-9]*) words=$phases ;;
		esac
		;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}

_pve_vgpu_types() {
	pve-vgpu types 2>/dev/null | awk -F'\t' 'NF == 6 { print $2 }' | sort -u
}

_pve_vgpu_vmids() {
	local f

	for f in /etc/pve/qemu-server/*.conf; do
		f=${f##*/}
		echo "${f%.conf}"
	done
}

# Those of the whole cluster
_pve_vgpu_all_vmids() {
	local f

	for f in /etc/pve/nodes/*/qemu-server/*.conf; do
		f=${f##*/}
		echo "${f%.conf}"
	done
}

complete -F _pve_vgpu pve-vgpu
