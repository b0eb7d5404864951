/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Who uses a GPU and its VFs, so that these must stay as they are. */
#ifndef SRIOV_USE_H
#define SRIOV_USE_H

#include "inventory.h"
#include "sriov.h"

/*
 * Append a line for each use: a vGPU that exists or is claimed, a VF that PVE
 * has reserved or a process has open, one whose vGPU is being removed. inv has
 * all vGPUs of the node (scan_all()). Returns 0; or -errno where that cannot be
 * found out, and nobody is proved to be away.
 */
int sriov_users(const struct root *r, const struct inventory *inv, const struct sriov *s,
		struct strlist *out, struct err *e);

#endif
