/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The kernel's log of this boot, as /dev/kmsg has it: a record a line,
 * "<facility and level>,<number>,<time>,<flags>[,…];<message>", and below it
 * lines that begin with a blank. A plain file in its place is read alike.
 * Source: Linux Documentation/ABI/testing/dev-kmsg
 */
#ifndef KERNEL_LOG_H
#define KERNEL_LOG_H

#include <stdint.h>

#include "root.h"

#define KERNEL_LOG_PATH	"dev/kmsg"

/*
 * Take a line apart. *message points into it, and is NULL where somebody else
 * than the kernel wrote the record: any root process may, and the kernel lets
 * none of them pass for itself. Returns 0, or -EINVAL for what is no record.
 */
int kernel_record_parse(const char *line, uint64_t *number, const char **message);

struct kernel_log {
	struct strlist messages;	/* the oldest first */
	bool whole;			/* it begins with the boot; else its oldest records are lost */
};

/*
 * The kernel's messages that begin with prefix. Nobody is waited for. What does
 * not show stands as \xNN in a message, as the kernel writes it. A line longer
 * than any record is passed over. Returns 0, or -errno and nothing in out, which
 * is released by kernel_log_free() either way.
 */
int kernel_log_read(const struct root *r, const char *prefix, struct kernel_log *out, struct err *e);

void kernel_log_free(struct kernel_log *l);
#define AUTO_KERNEL_LOG __attribute__((cleanup(kernel_log_free)))

#endif
