/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The FUSE side: requests to nodes, attributes and controls, and answers.
 */
#ifndef SIM_FS_H
#define SIM_FS_H

#include "fuse.h"
#include "model.h"

extern const struct fuse_lowlevel_ops fs_ops;

/* Before the first request. */
void fs_init(struct sim *sim);

#endif
