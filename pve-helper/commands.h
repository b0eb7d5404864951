/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One file a command. Each takes the words behind its name, returns 0, -errno
 * with *e filled, or RC_USAGE with *e filled, and prints its results itself;
 * failures are printed by main alone.
 */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "ctx.h"

int cmd_doctor(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_types(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_list(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_plan(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_show(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_create(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_remove(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_set(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_unset(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_gc(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_sriov(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_scheduler(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_hook(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_snippet(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_guest(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_reconcile(struct ctx *c, int argc, char *argv[], struct err *e);
int cmd_version(struct ctx *c, int argc, char *argv[], struct err *e);

#endif
