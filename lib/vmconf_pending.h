/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What of a VM's configuration waits for its next start: the section [PENDING].
 * Pure.
 * Source: qemu-server src/PVE/QemuServer.pm, parse_vm_config()
 */
#ifndef VMCONF_PENDING_H
#define VMCONF_PENDING_H

#include <stddef.h>

#include "vmconf.h"

struct pending_change {
	char *key;
	char *value;		/* NULL: the key goes */
};

struct pending {
	struct pending_change *changes;		/* in the order of the file */
	size_t n;
};

void pending_parse(const char *text, size_t len, struct pending *out);

/* What waits for a key, or NULL. */
const struct pending_change *pending_of(const struct pending *p, const char *key);

/*
 * The configuration as the VM's next start makes it, in the same form and without
 * snapshots; the caller frees it. qemu-server applies what waits before it
 * calls the hookscript.
 * Source: qemu-server src/PVE/QemuServer.pm, vm_start_nolock()
 */
char *pending_apply(const struct pending *p, const char *text, size_t len);

void pending_free(struct pending *p);
#define AUTO_PENDING __attribute__((cleanup(pending_free)))

/*
 * Read the text of a config as it is, what waits in it, and as the next start has
 * it. Returns 0 or -EINVAL; the caller frees all three, after a failure too.
 */
int vmconf_parse_all(const char *text, size_t len, const char *file, struct vmconf *now,
		     struct pending *waits, struct vmconf *next, struct err *e);

#endif
