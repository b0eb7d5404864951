/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a VM's config brings the vGPU of one hostpci index to QEMU, as far as the
 * config tells. Pure.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include "inventory.h"
#include "settings.h"
#include "vmconf.h"

enum attach {
	ATTACH_NONE,		/* nothing in the config does */
	ATTACH_ADDRESS,		/* hostpci<N>: <address>,mdev=<type> */
	ATTACH_MAPPING,		/* hostpci<N>: mapping=<id>,mdev=<type>: qemu-server picks the place */
	ATTACH_ARGS,		/* args names the mdev of that index */
	ATTACH_CONFLICT,	/* hostpci<N> is something that is no vGPU */
	ATTACH_WRAPPER,		/* nothing, and the wrapper at /usr/bin/kvm is to: told by the settings alone */
};

/* What the config says; never ATTACH_WRAPPER. A hostpci<N> line counts for more than args. */
enum attach attach_kind(const struct vmconf *conf, unsigned int vmid, unsigned int index);

/* Whether args name the mdev of that index. */
bool attach_in_args(const struct vmconf *conf, unsigned int vmid, unsigned int index);

/* The mode that it is; MODE_UNSET for ATTACH_NONE and ATTACH_CONFLICT. */
enum vm_mode attach_mode(enum attach how);

/*
 * The vGPUs of qemu-server's UUID pattern that the config's args name, whoever
 * they belong to: calls found() for each with the vmid and index in the UUID.
 * Stops where found() returns other than 0, and returns that.
 */
int attach_args_uuids(const struct vmconf *conf,
		      int (*found)(void *arg, unsigned int vmid, unsigned int index),
		      void *arg);

#endif
