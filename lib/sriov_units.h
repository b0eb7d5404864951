/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Proxmox's own unit that enables SR-IOV at boot, pve-nvidia-sriov@<address or
 * ALL>.service of pve-nvidia-vgpu-helper. Two that do it at once disturb each
 * other, so where it is enabled ours stays out of the way.
 */
#ifndef SRIOV_UNITS_H
#define SRIOV_UNITS_H

#include "bdf.h"
#include "root.h"

/* The instance that is enabled for this GPU, "pve-nvidia-sriov@ALL.service"; NULL: none. The caller frees it. */
char *sriov_pve_unit(const struct root *r, const struct bdf *gpu);

#endif
