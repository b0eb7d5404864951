/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A lock that holds on every node of the cluster: a directory below
 * /etc/pve/priv/lock, as PVE's own are. Who makes it has it; pmxcfs takes it
 * away when somebody asks and it is older than 120 s, so that one whose holder
 * was killed does not stay.
 * Source: pve-cluster src/README, File Locking; src/PVE/Cluster.pm, $cfs_lock
 */
#ifndef CLUSTER_LOCK_H
#define CLUSTER_LOCK_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "root.h"

#define CLUSTER_LOCK_LIFE_S	120
/* Held for longer than this, it is given up: PVE's own work under one has the same limit. */
#define CLUSTER_LOCK_SAFE_MS	60000

struct cluster_lock {
	int dirfd;		/* of /etc/pve/priv/lock; -1: not held */
	const char *name;
	int64_t asked_ms;	/* clock_ms() before it was made */
	sigset_t mask;		/* signals that were blocked before */
};

#define CLUSTER_LOCK_NONE { .dirfd = -1 }

/*
 * Take the lock of this name, which must outlive it. what is for messages ("the
 * settings of the cluster"). deadline is in clock_ms().
 * SIGINT, SIGTERM and SIGHUP wait until it is dropped: work under it is short, and a
 * lock that is left stops the whole cluster for two minutes. They are not
 * held up while others are waited for.
 *
 * Returns 0; -EBUSY: it was not to be had in time; -EACCES without quorum; or
 * -errno. Nothing is written into the mount point of a pmxcfs that is not there.
 */
int cluster_lock_take(const struct root *r, const char *name, const char *what, int64_t deadline,
		      struct cluster_lock *l, struct err *e);

/* Whether it is certain to be ours still. */
bool cluster_lock_holds(const struct cluster_lock *l);

/* Give it back, unless it may be another's by now. */
void cluster_lock_drop(struct cluster_lock *l);

#define AUTO_CLUSTER_LOCK __attribute__((cleanup(cluster_lock_drop)))

#endif
