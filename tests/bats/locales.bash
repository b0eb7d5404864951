# SPDX-License-Identifier: AGPL-3.0-or-later
# shellcheck shell=bash

# make_locale DIR NAME: that locale of the C library (de_DE.UTF-8) below DIR, whether this machine has it or not; LOCPATH=DIR finds it.
# What localedef warns of is the fault of its own sources.
make_locale() {
	mkdir -p "$1"
	localedef --quiet --no-warnings=ascii -i "${2%.*}" -f "${2#*.}" "$1/$2" || [ -e "$1/$2/LC_NUMERIC" ]
}

# locale_known NAME: it is there for the programs of this machine
locale_known() {
	[ -z "$(env LC_ALL="$1" locale 2>&1 > /dev/null)" ]
}
