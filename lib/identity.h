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
 * "ctime:<seconds>, uuid:<uuid>": the creation time in `meta` and the uuid of
 * smbios1, in lower case; one alone where the config has no other; NULL where it
 * has neither. The caller frees it.
 * A VM that is made anew gets a creation time of its own. A clone keeps that of
 * what it was made from, and gets a uuid of its own: clones of one template
 * differ by it alone. A restore and a rollback bring back both, but for a
 * restore as a unique VM, which has a new uuid.
 * Source: qemu-server src/PVE/QemuServer/MetaInfo.pm; API2/Qemu.pm, create_vm and clone_vm;
 * QemuServer.pm, restore_update_config_line
 */
char *identity_of(const struct vmconf *c);

/*
 * Whether the config is that of the VM that identity names; NULL names any.
 * Only the properties that identity has are looked at, for `meta` and smbios1
 * may come to a VM later; and of two, the uuid only where the config has one,
 * for smbios1 can be taken out of it, and each clone has one.
 */
bool identity_matches(const char *identity, const struct vmconf *c);

/* Whether the creation time that identity begins with is the config's; false where it has none. */
bool identity_same_ctime(const char *identity, const struct vmconf *c);

#endif
