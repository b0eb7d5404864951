/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A program of the admin's, run as PVE runs a hookscript: with the caller's
 * environment and output, for as long as it takes.
 */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "err.h"
#include "root.h"
#include "surroundings.h"

struct script {
	const char *path;		/* from the root: "/var/lib/vz/snippets/own.sh" */
	const char *const *args;	/* behind its name, ended by NULL */
	const char *mark, *mark_value;	/* one variable more for its environment */
	const struct surroundings *before;	/* of who has called this program */
};

/*
 * Run it to its end. It ends with us: who kills the hookscript kills it, too.
 * Returns its exit status; -ENOENT, -EACCES where it is no file, or none that
 * can be executed; -EINTR where a signal has ended it; or -errno. Each with a
 * message but for the status.
 * Source: pve-guest-common src/PVE/GuestHelpers.pm, check_hookscript(),
 * exec_hookscript()
 */
int script_run(const struct root *r, const struct script *s, struct err *e);

#endif
