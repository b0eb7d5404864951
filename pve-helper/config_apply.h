/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A VM's config changed through PVE's own tools. */
#ifndef CONFIG_APPLY_H
#define CONFIG_APPLY_H

#include "config_change.h"

/*
 * Make the changes: by `qm set` on the node that has the VM, else through pvesh.
 * Returns 0 where they are made, be it by a tool that failed afterwards; -ESTALE:
 * it failed, or there was nothing to change, and somebody has changed the config since it was read; -EIO with what the tool said; or as process_run().
 */
int config_apply(const struct root *r, const struct vm_file *vm, const struct config_changes *l,
		 struct err *e);

/*
 * Say what of that waits for the VM's next start, which is the case while it
 * runs: PVE then keeps it in [PENDING], but for hookscript. settings: they have
 * changed, and count from the next start, too.
 */
void config_say_waits(const struct root *r, unsigned int vmid, const struct config_changes *l,
		      bool settings);

/* The command that does it, for an admin to read: "qm set 100 --hookscript …"; the caller frees it. */
char *config_command(const struct vm_file *vm, const struct config_changes *l);

#endif
