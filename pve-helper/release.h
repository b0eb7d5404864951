/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Take away what a run state names. */
#ifndef RELEASE_H
#define RELEASE_H

#include "ctx.h"
#include "runstate.h"

struct release {
	const char *who;	/* for those who wait for a lock of ours */
	int64_t deadline;	/* clock_ms(): give up then */
	int64_t patience;	/* clock_ms(): until then the driver may do it itself */
};

/*
 * Remove the vGPUs of s that nobody has open, and drop from s those that are
 * gone, and what the wrapper was to do; s is written back, or its file removed when nothing is left. What any
 * process has open, what is somebody else's by now, and all of a VM whose QEMU
 * runs, is not touched.
 *
 * Returns 0 when nothing is left, -EBUSY when something is (s says what), or
 * -errno. The caller holds the VM's lock.
 */
int release(const struct ctx *c, struct runstate *s, const struct release *how, struct err *e);

/*
 * Remove one vGPU under its GPU's lock, if nobody has it open. Returns 0 when
 * it is gone (or was), else -errno.
 */
int release_one(const struct ctx *c, const struct vgpu *v, const char *who,
		int64_t deadline, struct err *e);

/* A process that has v open; 0: nobody has, or v is gone. */
pid_t release_opener(const struct ctx *c, const struct vgpu *v);

/*
 * A vendor VF that was claimed and whose create was never begun: what is on it,
 * if anything, is somebody else's.
 */
bool release_never_begun(const struct vgpu *v);

/* Give back PVE's reservation of a vendor VF that a VM of ours no longer has. */
void release_reservation(const struct ctx *c, const struct vgpu *v);

#endif
