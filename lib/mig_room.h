/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How MIG-backed types fit into GPU instances. Pure: what a GPU's instances are
 * and what they hold has been found out before (mig_instances.h).
 *
 * A type goes into an instance of its profile: as many slices, as much memory,
 * with media engines or without, as its name tells. An instance holds one vGPU;
 * on boards that have other series than C in their instances (Blackwell) several
 * of one size.
 */
#ifndef MIG_ROOM_H
#define MIG_ROOM_H

#include "inventory.h"

/* Whether the board's instances take several vGPUs each. */
bool mig_shares(const struct gpu *g);

/* The profile that a MIG-backed type has by its name, "1g.5gb+me"; the caller frees it. */
char *mig_profile_of(const struct gpu *g, const struct vgpu_type *t);

/* Whether the type is for instances of that profile; not where that is unknown. */
bool mig_fits(const struct gpu *g, const struct gpu_instance *i, const struct vgpu_type *t);

/* How many instances there are of the type's profile; -1: not known. */
int mig_count_of(const struct gpu *g, const struct vgpu_type *t);

/*
 * Put the vGPU that is of type t and of which it is not known where it lies into
 * the only instance where it can be. False: there is none, or there are several.
 */
bool mig_place(struct gpu *g, const struct vgpu_type *t);

/*
 * Where as many vGPUs are there as there are instances for them, and one goes
 * into each, all of these are full.
 */
void mig_fill(const struct inventory *inv, struct gpu *g);

/* Whether it is known which vGPUs lie in the instance. */
bool mig_is_counted(const struct inventory *inv, const struct gpu *g,
		    const struct gpu_instance *i);

/* How many more of the type the instance takes. */
unsigned int mig_instance_room(const struct gpu *g, const struct gpu_instance *i,
			       const struct vgpu_type *t);

/*
 * How many more of the type all instances take, by what is known; -1: that is
 * not known. Of vGPUs that are there or claimed and lie in an unknown instance
 * each takes a place.
 */
int mig_room(const struct inventory *inv, const struct gpu *g, const struct vgpu_type *t);

/*
 * Make `available` of the MIG-backed types that the driver takes one more of a
 * number for the whole GPU, or a lower bound where that cannot be told.
 */
void mig_set_room(const struct inventory *inv, struct gpu *g);

/* Whether what is known of the instances contradicts what the driver has said. */
bool mig_contradicts(const struct inventory *inv, const struct gpu *g);

/* The type of a vGPU on g as g offers it, where that is MIG-backed; else NULL. */
const struct vgpu_type *mig_type_on(const struct gpu *g, const struct vgpu *v);

#endif
