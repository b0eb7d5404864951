/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* pre-start: give the VM its vGPUs, or refuse its start. */
#ifndef HOOK_START_H
#define HOOK_START_H

#include "phase.h"

/* p has the settings; its lock is taken. Returns 0 or -errno. */
int hook_pre_start(struct phase *p, struct err *e);

/* Take away again what a pre-start that went well has made. What stays is said. */
void hook_undo_start(struct phase *p);

#endif
