/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Changes to the settings of the cluster, on every node at once. */
#ifndef SETTINGS_STORE_H
#define SETTINGS_STORE_H

#include <stddef.h>

#include "root.h"

#define SETTINGS_FILE_MAX	(1024 * 1024)	/* pve-cluster src/pmxcfs/memdb.h, MEMDB_MAX_FILE_SIZE */

/*
 * Makes the new text of the old one, which ends in a NUL behind len bytes.
 * *out is what settings_change() frees; NULL: there is nothing to change. May
 * be called more than once, where the file was changed by an editor that knows
 * of no lock. Returns 0 or -errno.
 */
typedef int settings_change_fn(void *arg, const char *text, size_t len, char **out, struct err *e);

/*
 * Change /etc/pve/pve-vgpu.conf: under a lock that holds in the whole cluster
 * (waited for as long as lock-wait says), in one step, and read back. A
 * file that is not there is an empty one. A writer that is killed leaves the old text
 * or the new one; what else it leaves goes with the next change. One that is held
 * up until its lock is another's fails: it cannot undo what the other has done.
 *
 * Do not run PVE's tools from change: they wait for locks of their own.
 *
 * Returns 0; what change returned; -EBUSY: the lock was not to be had;
 * -EACCES without quorum; -EFBIG: more than pmxcfs takes; -ESTALE: the lock was
 * lost; -EAGAIN: something else keeps changing the file; or -errno. On failure
 * nothing was changed, but for -EIO from reading back.
 */
int settings_change(const struct root *r, settings_change_fn *change, void *arg, struct err *e);

#endif
