/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Processes by their names. */
#ifndef PROC_NAMES_H
#define PROC_NAMES_H

#include "root.h"

/*
 * Whether a process of this name (/proc/<pid>/comm, at most 15 characters) runs:
 * 1 or 0; -1: /proc shows no process at all, and nothing is known.
 */
int proc_runs(const struct root *r, const char *comm);

#endif
