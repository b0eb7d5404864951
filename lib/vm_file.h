/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A VM's configuration for those who change it: where it lies, what it says, what waits in it. */
#ifndef VM_FILE_H
#define VM_FILE_H

#include <stdbool.h>

#include "root.h"
#include "vmconf.h"
#include "vmconf_pending.h"

struct vm_file {
	unsigned int vmid;
	char *node;		/* that has the VM */
	bool local;		/* it is this one */
	char *digest;		/* by which PVE tells whether the file has changed meanwhile */
	struct vmconf conf;	/* as it is now */
	struct vmconf next;	/* as the VM's next start has it, with what waits */
	struct pending pending;
};

/*
 * Find and read the VM's configuration, on whatever node it is. Returns 0;
 * -ENOENT: the cluster has no such VM; or -errno. Release with vm_file_free().
 * The digest is the SHA-1 of the text: qemu-server src/PVE/QemuServer.pm, parse_vm_config()
 */
int vm_file_read(const struct root *r, unsigned int vmid, struct vm_file *out, struct err *e);

/* Whether the configuration is another one by now than the one that was read. */
bool vm_file_changed(const struct root *r, const struct vm_file *f);

void vm_file_free(struct vm_file *f);
#define AUTO_VM_FILE __attribute__((cleanup(vm_file_free)))

/*
 * The value of hookscript, args or hostpci<N>, or NULL: now, and from the next
 * start on. Borrowed.
 */
const char *vm_file_now(const struct vm_file *f, const char *key);
const char *vm_file_next(const struct vm_file *f, const char *key);

#endif
