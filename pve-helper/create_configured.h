/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The vGPUs that node.conf wants to be there from boot on, for no VM. */
#ifndef CREATE_CONFIGURED_H
#define CREATE_CONFIGURED_H

#include "ctx.h"

/*
 * Make each [vgpu] of node.conf that is not there yet, in the order of the file,
 * and print what came of each. One that is there with that type stays as it is,
 * whoever made it; the others go on where one fails. With c->dry_run only says
 * what it would make. Returns 0; -EIO: some are not there, each told with its
 * reason; or -errno.
 */
int create_configured(const struct ctx *c, struct err *e);

#endif
