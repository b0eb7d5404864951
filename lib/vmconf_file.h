/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Where a VM's configuration lies. */
#ifndef VMCONF_FILE_H
#define VMCONF_FILE_H

#include "err.h"
#include "root.h"
#include "vmconf.h"

/*
 * Read the configuration of a VM.
 *
 * @migrated_from: PVE_MIGRATED_FROM; NULL or "" on a start that is no incoming
 * migration. Else the configuration still lies with that node,
 * /etc/pve/nodes/<node>/qemu-server, and is looked for there first; what
 * cannot be a node's name is refused before it becomes part of a path.
 *
 * Returns 0; -ENOENT if it is not there, -EINVAL for a bad node name or a NUL
 * byte in the file, else -errno. Release with vmconf_free().
 */
int vmconf_read(const struct root *r, unsigned int vmid, const char *migrated_from,
		struct vmconf *out, struct err *e);

/* The same as the VM's next start on this node has it: with what waits in [PENDING]. */
int vmconf_read_next(const struct root *r, unsigned int vmid, struct vmconf *out, struct err *e);

#endif
