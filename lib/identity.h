/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Which VM a vmid stands for: a vmid is given again once its VM is gone, so an
 * intent names the VM by what stays with it through its life. Pure.
 */
#ifndef IDENTITY_H
#define IDENTITY_H

#include <stdbool.h>

#include "vmconf.h"

/*
 * "ctime:<seconds>", the creation time in `meta`, else "uuid:<uuid>", that of
 * smbios1, in lower case; NULL where the config has neither. The caller frees it.
 * A VM that is made anew gets a creation time of its own. A restore and a
 * rollback bring back the old one, and a clone keeps that of what it was made
 * from: clones of one template differ by their vmid alone.
 * Source: qemu-server src/PVE/QemuServer/MetaInfo.pm; API2/Qemu.pm, create_vm and clone_vm
 */
char *identity_of(const struct vmconf *c);

/*
 * Whether the config is that of the VM that identity names; NULL names any.
 * Only the property that identity is of is looked at, for `meta` may come to a
 * VM later.
 */
bool identity_matches(const char *identity, const struct vmconf *c);

#endif
