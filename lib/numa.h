/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How far GPUs are from the memory and the CPUs that a VM is bound to, by the
 * tables that the kernel has of it: sys/devices/system/node and each GPU's numa_node.
 * Source: Linux Documentation/ABI/stable/sysfs-devices-node
 */
#ifndef NUMA_H
#define NUMA_H

#include <stdbool.h>

#include "inventory.h"
#include "root.h"

/*
 * Set the distance of those GPUs for which which[i] is set, from what the VM's
 * config binds it to. hostnodes ("0,2-3", or NULL) are the NUMA nodes of its
 * memory and say where it is; affinity (CPUs, "0-3,8", or NULL) tells which of
 * those weigh more, and where it is if there are no hostnodes: the node with most
 * of the CPUs weighs most. Nothing is set where the node has one NUMA node, the
 * lists are none, or the kernel does not tell.
 *
 * Reads cpulist of each NUMA node where there is an affinity, distance of those
 * that the VM is on, and numa_node of the GPUs; plain attributes all of them,
 * none goes to a driver.
 */
void numa_measure(const struct root *r, const char *hostnodes, const char *affinity,
		  struct inventory *inv, const bool *which);

#define NUMA_CPUS	8192	/* NR_CPUS of x86 at its largest */

/* Read a list of CPUs into the set; those beyond its end are passed over. -EINVAL: it is none. */
int numa_cpus_parse(const char *list, bool set[static NUMA_CPUS]);

#endif
