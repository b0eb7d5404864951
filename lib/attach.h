/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a VM's config brings the vGPU of one hostpci index to QEMU, as far as the
 * config tells. Pure.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include "inventory.h"
#include "vmconf.h"

enum attach {
	ATTACH_NONE,		/* nothing in the config does */
	ATTACH_ADDRESS,		/* hostpci<N>: <address>,mdev=<type> */
	ATTACH_MAPPING,		/* hostpci<N>: mapping=<id>,mdev=<type>: qemu-server picks the place */
	ATTACH_ARGS,		/* args names the mdev of that index */
	ATTACH_CONFLICT,	/* hostpci<N> is something that is no vGPU */
};

enum attach attach_kind(const struct vmconf *conf, unsigned int vmid, unsigned int index);

/*
 * The vGPUs of qemu-server's UUID pattern that the config's args name, whoever
 * they belong to: calls found() for each with the vmid and index in the UUID.
 * Stops where found() returns other than 0, and returns that.
 */
int attach_args_uuids(const struct vmconf *conf,
		      int (*found)(void *arg, unsigned int vmid, unsigned int index),
		      void *arg);

#endif
