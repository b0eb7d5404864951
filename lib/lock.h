/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Locks below /run/pve-vgpu/locks. Waits are bounded and say for whom they
 * wait. The kernel lets a lock go when its holder dies.
 *
 * Order: standalone, a VM's lock, then the node's, then a GPU's; the node's is
 * given back before a GPU's is asked for.
 *   standalone  taking standalone vGPUs away; before all others
 *   vm-<vmid>   all that is done for one VM: a phase of its hook, gc of its leftovers
 *   node        choosing a place and writing the claim; files alone, never the driver
 *   sriov       making and removing VFs, one GPU after the other; before a GPU's
 *   gpu-<bdf>   what goes through the driver of that GPU
 */
#ifndef LOCK_H
#define LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "bdf.h"
#include "root.h"

struct lock {
	int fd;		/* -1: not held */
};

#define LOCK_NONE { .fd = -1 }

void lock_drop(struct lock *l);
#define AUTO_LOCK __attribute__((cleanup(lock_drop)))

/*
 * Take a lock. who is what others are told while they wait for us ("vm 100
 * pre-start"). deadline is in clock_ms(); 0 asks once and does not wait.
 * Returns 0, -EBUSY where it was not to be had in time, or -errno.
 */
int lock_vm(const struct root *r, unsigned int vmid, const char *who, int64_t deadline,
	    struct lock *l, struct err *e);
int lock_standalone(const struct root *r, const char *who, int64_t deadline, struct lock *l,
		    struct err *e);
int lock_node(const struct root *r, const char *who, int64_t deadline, struct lock *l,
	      struct err *e);
int lock_sriov(const struct root *r, const char *who, int64_t deadline, struct lock *l,
	       struct err *e);
int lock_gpu(const struct root *r, const struct bdf *gpu, const char *who, int64_t deadline,
	     struct lock *l, struct err *e);

/*
 * The wait itself, for a lock file that is already open: PVE's own locks have
 * their own places. Returns 0, -EBUSY or -errno, without a message.
 */
int lock_wait(int fd, int64_t deadline);

#endif
