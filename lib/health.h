/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * GPUs of this node that cannot serve: what ails each, and what cures it. The
 * rules are pure; gathering costs a few attributes, so it is for those who only
 * look and for refusals, never for a start that succeeds.
 */
#ifndef HEALTH_H
#define HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#include "bdf.h"
#include "catalog.h"
#include "inventory.h"
#include "root.h"

enum ailment {
	AILMENT_NONE,
	AILMENT_PASSTHROUGH,	/* the GPU itself is on vfio-pci */
	AILMENT_NOUVEAU,	/* it is on nouveau */
	AILMENT_UNBOUND,	/* nvidia is loaded, and not bound to it */
	AILMENT_NO_DRIVER,	/* nvidia is not loaded */
	AILMENT_PLAIN_DRIVER,	/* nvidia is loaded, without its vGPU part */
	AILMENT_NO_IOMMU,
	AILMENT_NO_VFS,		/* SR-IOV is there and not enabled */
	AILMENT_VFS_UNBOUND,	/* VFs came up without their driver */
	AILMENT_NO_TYPES,	/* nvidia-vgpud has given the driver no types */
	AILMENT_SOME_UNBOUND,	/* some VFs have no driver; the others serve */
};

/* What counts for one GPU. */
struct health_facts {
	const char *driver;	/* of the GPU itself; "" without one; borrowed */
	bool nvidia;		/* the driver nvidia is loaded */
	bool vgpu_driver;	/* and its vGPU part */
	bool iommu;
	bool sriov;		/* the GPU can have VFs */
	size_t vfs, bound_vfs;	/* those it has, and those of them with a driver */
	bool types;		/* it shows types, or is taken for one that does */
	bool silent;		/* it shows none that could be made, though it holds no vGPU */
};

enum ailment health_judge(const struct health_facts *f);

/* What is wrong, to follow "GPU <address>: ". */
const char *health_cause(enum ailment a);

/* What the admin can do, commands with the GPU's address. The caller frees it. */
char *health_cure(enum ailment a, const struct bdf *gpu);

struct sick_gpu {
	struct bdf addr;
	enum ailment what;
	bool serves;		/* in part: what else is to be said of it holds */
};

struct health {
	struct sick_gpu *sick;	/* in order of address */
	size_t n;
};

void health_free(struct health *h);
#define AUTO_HEALTH __attribute__((cleanup(health_free)))

/*
 * Find the sick GPUs: those of inv, and devices of NVIDIA's that are not in it.
 * Of devices that no driver of NVIDIA's has, class and vendor are read. counted:
 * inv has all vGPUs of the node (scan_all()) and what each GPU has room for
 * (room_ask()); else GPUs of vendor VFIO that hold none as far as inv tells are
 * asked for their list.
 */
void health_check(const struct root *r, struct catalog *c, struct inventory *inv, bool counted,
		  struct health *out);

const struct sick_gpu *health_of(const struct health *h, const struct bdf *gpu);

#endif
