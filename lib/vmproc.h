/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Processes and locks of VMs: is there a QEMU, who has a vGPU open, does PVE
 * hold the VM's config lock.
 */
#ifndef VMPROC_H
#define VMPROC_H

#include <stdbool.h>
#include <sys/types.h>

#include "root.h"
#include "strlist.h"

/*
 * The pid of the VM's QEMU by PVE's own test: the pid file names a process
 * whose argv[0] ends in "kvm" or is "qemu-…" and whose -pidfile is that very
 * file. 0: there is none.
 * Source: qemu-server src/PVE/QemuServer/Helpers.pm, vm_running_locally()
 */
pid_t vm_qemu_pid(const struct root *r, unsigned int vmid);

/*
 * Whether the text of /proc/<pid>/cmdline is that of such a QEMU with this
 * pid file. A NUL follows the len bytes. Pure.
 */
bool vm_qemu_cmdline(const char *cmdline, size_t len, const char *pidfile);

/*
 * Whether somebody holds PVE's lock on the VM's config, as PVE does through a
 * whole start, from before pre-start until QEMU runs. Asked with a lock that is
 * given back at once. Returns NULL where nobody does, else the reason to take it
 * for held, which nobody frees: also where the lock is not root's or cannot be
 * opened, for then nobody is proved to be away.
 */
const char *vm_lock_held(const struct root *r, unsigned int vmid);

/* Who has what below /dev/vfio open; one pass over /proc. */
struct vfio_user {
	pid_t pid;
	char *name;		/* "42", "devices/vfio3" */
};

struct vfio_users {
	int error;		/* -errno where /proc could not be read to its end: nobody is proved to be away */
	struct vfio_user *u;
	size_t n;
};

void vfio_users_read(const struct root *r, struct vfio_users *out);
void vfio_users_free(struct vfio_users *u);
#define AUTO_VFIO_USERS __attribute__((cleanup(vfio_users_free)))

/* The first process that has one of these names open; 0: nobody. */
pid_t vfio_user_of(const struct vfio_users *u, const struct strlist *names);

/* Whether this very process has one of the names open. */
bool vfio_used_by(const struct vfio_users *u, const struct strlist *names, pid_t pid);

#endif
