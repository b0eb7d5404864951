/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Make a mapping that brings vGPUs of this node's parent devices to VMs, through PVE's own pvesh. */
#ifndef MAPPING_ENSURE_H
#define MAPPING_ENSURE_H

#include "mapping.h"

/* What has to change; pure but for the look at the functions in sysfs. */
struct mapping_plan {
	bool create;		/* there is no mapping of that id */
	bool change;		/* something is to be done at all */
	struct strlist entries;	/* all that it is to have, those of other nodes too */
	struct strlist said;	/* what is done, a line each: "add 32 entries of node 'pve1'" */
};

/*
 * Plan the entries: those of other nodes stay as they are; of this node's, those
 * that are right stay, those that disagree with the hardware go, and parents
 * that are missing are added at the end, but for those that show no vGPU types now. Right
 * are entries of the parents, and of other functions of the same board (id and
 * subsystem-id).
 *
 * @old: the mapping as it is, or NULL
 *
 * Returns 0; -EEXIST where old is something else: it is not marked for
 * mediated devices, or has a working entry of this node for a device of another
 * board; -ENODEV where no entry would be left; or -errno where a parent cannot
 * be read. Release with mapping_plan_free().
 */
int mapping_plan(const struct root *r, const char *node, const struct mapping *old, const char *id,
		 const struct bdf *parents, size_t n, struct mapping_plan *out, struct err *e);
void mapping_plan_free(struct mapping_plan *p);
#define AUTO_MAPPING_PLAN __attribute__((cleanup(mapping_plan_free)))

/*
 * Create or extend the mapping. Nothing is called where all is right. Where
 * someone changes the mappings meanwhile, it is tried once more.
 * live-migration-capable is left as it is, and not set on a new mapping: whether
 * driver and guest can do that only the admin knows.
 *
 * @said: what has been done, or with dry_run would be, is appended as lines; may be NULL
 *
 * Returns 0, what mapping_plan() returns, -EINVAL for an id that PVE would
 * refuse; -ESTALE where the mappings keep changing; or another -errno where pvesh
 * fails.
 */
int mapping_ensure(const struct root *r, const struct bdf *parents, size_t n, const char *id,
		   bool dry_run, struct strlist *said, struct err *e);

#endif
