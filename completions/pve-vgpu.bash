# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash
# Bash completion for pve-vgpu. What there is to offer comes from complete.

_pve_vgpu() {
	local line=${COMP_LINE:0:COMP_POINT} word tail joint one
	local -a words lines

	IFS=$' \t' read -ra words <<< "$line"
	[[ $line != *[[:blank:]] ]] || words+=('')
	word=${words[-1]}
	# To bash a word ends at ':' and '=', too, of which addresses and options are full: it replaces what is behind the last one.
	tail=$word
	for joint in : =; do
		[[ $COMP_WORDBREAKS != *$joint* ]] || tail=${tail##*"$joint"}
	done
	mapfile -t lines < <(/usr/share/pve-vgpu/complete "${words[@]}" 2> /dev/null)
	COMPREPLY=()
	case ${lines[0]-} in
	:files) mapfile -t COMPREPLY < <(compgen -f -- "$tail"); compopt -o filenames 2> /dev/null; return ;;
	:directories) mapfile -t COMPREPLY < <(compgen -d -- "$tail"); compopt -o filenames 2> /dev/null; return ;;
	esac
	for one in "${lines[@]}"; do
		one=${one%%$'\t'*}
		[[ -z $one || $one != "$word"* ]] || COMPREPLY+=("${one#"${word%"$tail"}"}")
	done
}

complete -F _pve_vgpu pve-vgpu
