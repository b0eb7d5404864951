/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * A vGPU through a cluster-wide mapping: whether the mapping serves this node,
 * and who makes the vGPU. qemu-server adopts an mdev on any parent of the
 * mapping, but on vendor VFIO it takes the first VF that nobody has reserved,
 * and resets what it finds there.
 * Source: qemu-server src/PVE/QemuServer/PCI.pm, choose_hostpci_devices()
 */
#ifndef MAPPING_USE_H
#define MAPPING_USE_H

#include "inventory.h"
#include "plan.h"
#include "root.h"
#include "settings.h"
#include "vmconf.h"

struct mapping_user {
	const struct root *r;
	const struct vm_settings *vs;
	const struct vmconf *conf;
	const struct inventory *inv;
	const struct vm_intent *in;
	struct strlist *notes;
};

/*
 * w has the choices that this node knows; those that the config's mdev= does
 * not name are dropped. *own: the hook makes it, on one of w->among, which is
 * the caller's then; else qemu-server does.
 *
 * Returns 0; -EINVAL, -ENOENT or -ENODEV where a start would fail in
 * qemu-server, or lose the VM's params, with what mends it; or -errno.
 */
int mapping_use(const struct mapping_user *u, struct want *w, bool *own, struct err *e);

#endif
