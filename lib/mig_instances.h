/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which GPU instances a GPU in MIG mode has, of what profile, and what lies in
 * them. From what the driver shows, in this order: the instance that each vGPU
 * names in sysfs; the instances that /proc/driver/nvidia names; and where that
 * leaves profiles open, nvidia-smi, whose answer is remembered in this boot for
 * as long as /proc shows the same instances of the same driver.
 */
#ifndef MIG_INSTANCES_H
#define MIG_INSTANCES_H

#include "mig.h"

/* One run of a command: where nvidia-smi has failed, it is not asked again. */
struct mig_asker {
	bool failed;
};

/*
 * Set g->instances of a GPU in MIG mode, and what its types' `available` comes
 * to; of others their instances are none (MIG off), or unknown. Where nvidia-smi
 * is needed and does not tell, inv->problems gets one line. Where all are known,
 * m->instances is their number. Reads one attribute
 * for each MIG-backed vGPU that is there. room_ask() and mig_look() come before.
 */
void mig_learn_instances(const struct root *r, struct inventory *inv, struct gpu *g,
			 struct mig *m, struct mig_asker *asker);

#endif
