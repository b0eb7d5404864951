/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /run/pve-vgpu: what pve-vgpu knows of this boot. */
#ifndef RUNDIR_H
#define RUNDIR_H

#include "root.h"

#define RUN_DIR		"run/pve-vgpu"

/* Make RUN_DIR or a directory below it, with a hint where that fails. */
int rundir_make(const struct root *r, const char *path, struct err *e);

/* The hint alone, for a write below RUN_DIR that failed. */
void rundir_hint(struct err *e);

#endif
