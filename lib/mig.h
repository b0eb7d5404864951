/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Whether a GPU is in MIG mode, and how many GPU instances it has, without
 * nvidia-smi (mig_instances.h has them one by one): from /proc/driver/nvidia where that tells, else from what the
 * driver takes. With MIG on only MIG-backed types can be made, each in an
 * instance of its profile; with MIG off only time-sliced ones.
 */
#ifndef MIG_H
#define MIG_H

#include <stdbool.h>

#include "catalog.h"
#include "inventory.h"
#include "root.h"

enum mig_mode { MIG_UNKNOWN, MIG_OFF, MIG_ON };

struct mig {
	enum mig_mode mode;
	int instances;		/* -1: unknown */
	bool empty;		/* the GPU is known to hold no vGPU */
};

#define MIG_MAX_ID	255	/* of a GPU instance; 0 to 14 were seen */

/*
 * The ids of the instances that /proc/driver/nvidia names, unsorted; the caller
 * frees *ids. -1: it does not tell.
 */
int mig_proc_ids(const struct root *r, const struct bdf *gpu, unsigned int **ids);

/* Whether the GPU offers MIG-backed types. */
bool mig_board(const struct gpu *g);

/*
 * What can be told without asking the driver: from /proc/driver/nvidia, the
 * vGPUs of inv, and the room that was asked for before, if any.
 */
void mig_look(const struct root *r, const struct inventory *inv, const struct gpu *g,
	      struct mig *out);

/*
 * The same, and where that leaves the mode open one attribute more: on the mdev
 * bus of a GPU that holds nothing; on vendor VFIO the list, and where that is
 * empty the VFs until one is found that holds a vGPU.
 */
void mig_ask(const struct root *r, struct catalog *c, const struct inventory *inv,
	     struct gpu *g, struct mig *out);

/*
 * Why a GPU in this state takes none of this type, as far as that is due to MIG,
 * and what the admin can do. False: it is not. The caller frees both.
 */
bool mig_against(const struct mig *m, const struct gpu *g, const struct vgpu_type *t,
		 char **cause, char **cure);

/* The same in one line, with the command that mends it; NULL: not due to MIG. The caller frees it. */
char *mig_reason(const struct mig *m, const struct gpu *g, const struct vgpu_type *t);

#endif
