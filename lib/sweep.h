/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Temporary files that writers left when they were killed. */
#ifndef SWEEP_H
#define SWEEP_H

#include "root.h"

/*
 * Remove those that root_replace() made and whose process is gone, wherever
 * pve-vgpu writes on this node. Safe while others write.
 */
void sweep_temporaries(const struct root *r);

/*
 * The same for the one file at path, whose directory has others' files, too. Those
 * younger than so many seconds stay: on a shared storage their process may be
 * another node's. 0: any age.
 */
void sweep_temporaries_of(const struct root *r, const char *path, unsigned int younger_s);

#endif
