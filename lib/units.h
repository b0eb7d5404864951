/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * systemd's units as their files tell: which are there, what they say, which are
 * enabled. Nobody is asked.
 */
#ifndef UNITS_H
#define UNITS_H

#include <stdbool.h>

#include "root.h"

enum unit_state {
	UNIT_MISSING,
	UNIT_MASKED,
	UNIT_THERE,
};

/* The file that counts, by systemd's order of directories (systemd.unit(5)). */
enum unit_state unit_look(const struct root *r, const char *name);

/*
 * Its text, with the text of its drop-ins behind it, of a template those of the
 * template. The caller frees it; NULL: it is not there, or masked.
 */
char *unit_text(const struct root *r, const char *name);

/* Append what is enabled: the names of links in *.wants and *.requires of /etc/systemd/system. */
void units_wanted(const struct root *r, struct strlist *out);

#endif
