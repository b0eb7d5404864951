/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Dead or alive: whether what a VM holds may be taken away from it.
 */
#ifndef ALIVE_H
#define ALIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* All that the rule looks at. */
struct life {
	pid_t open_by;		/* a process that has one of the vGPUs open, 0: none */
	pid_t qemu;		/* the VM's QEMU by PVE's own test, 0: none */
	const char *locked;	/* why PVE's lock on the VM's config counts as held; NULL: nobody has it */
	int64_t age_ms;		/* since the claim, in this boot; negative: it does not count */
	int64_t grace_ms;	/* start-grace */
};

/*
 * Dead only when all of it holds: nothing open, no QEMU, no lock, and the claim
 * not younger than start-grace. Between pre-start and the moment when QEMU opens
 * the device PVE may take its time (volumes, old scope, hugepages), and holds
 * the lock all the while.
 *
 * Returns NULL for dead, else why it is alive; the caller frees it. Pure.
 */
char *alive_because(const struct life *l);

#endif
