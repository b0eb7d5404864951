/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* PVE's own tools, run to their end. */
#ifndef PVE_CALL_H
#define PVE_CALL_H

#include "err.h"
#include "root.h"
#include "strlist.h"

#define QM	"usr/sbin/qm"
#define PVESH	"usr/bin/pvesh"
#define PVESM	"usr/sbin/pvesm"

/*
 * Run a tool with these words, for at most a minute. out, which may be NULL,
 * gets what it printed, for the caller to free.
 *
 * Returns 0; -EIO where it fails, with what it said; or as process_run().
 */
int pve_call(const struct root *r, const char *program, const struct strlist *words, char **out,
	     struct err *e);

#endif
