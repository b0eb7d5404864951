/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Parents on the mdev bus that are no GPU: channels and crypto cards of s390
 * (vfio_ccw, vfio_ap), sample drivers, anything whose mdevs are no PCI devices.
 * They are shown, and nothing is ever made on them.
 * Source: Linux Documentation/ABI/testing/sysfs-bus-vfio-mdev
 */
#ifndef FOREIGN_H
#define FOREIGN_H

#include <stddef.h>

#include "inventory.h"
#include "root.h"
#include "strlist.h"

struct foreign_parent {
	char *name;		/* "0.0.0313" */
	char *path;		/* "/sys/devices/css0/0.0.0313" */
	char *driver;		/* "vfio_ccw"; where none is bound, what stands before its types */
	struct strlist types;	/* "vfio_ccw-io", in order */
};

struct foreign_list {
	struct foreign_parent *p;	/* in order of name */
	size_t n;
};

void foreign_free(struct foreign_list *l);
#define AUTO_FOREIGN __attribute__((cleanup(foreign_free)))

/*
 * The parents that are none of inv's GPUs, nor functions of a GPU that was left
 * out. By listings and links, no attribute; what is gone meanwhile is passed over.
 * All text is fit to be shown.
 */
void foreign_read(const struct root *r, const struct inventory *inv, struct foreign_list *out);

#endif
