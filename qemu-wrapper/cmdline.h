/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * QEMU's command line as words: which are options, what their values are, and
 * what a device on it says. Pure.
 *
 * QEMU's own table of options is not repeated here. A word with one or two
 * dashes is an option, and the next word its value unless that has a dash
 * too; only options whose values are free text take whatever follows.
 * Source: QEMU system/vl.c, lookup_opt()
 */
#ifndef CMDLINE_H
#define CMDLINE_H

#include <stdbool.h>

#include "bdf.h"
#include "inventory.h"
#include "strlist.h"

struct option {
	const char *name;	/* without its dashes; NULL: a word that is no option */
	const char *value;	/* or NULL */
	size_t at, next;	/* its first word, and what is behind its last */
};

/* Whether there is a word at *o.next, and then *o is what begins there. Begin with { .next = 1 }. */
bool cmdline_next(const struct strlist *words, struct option *o);
/* Whether the option takes whatever follows it, and nothing does. */
bool cmdline_lacks_value(const struct option *o);
/* The same as cmdline_next() for options of one name. */
bool cmdline_next_of(const struct strlist *words, const char *name, struct option *o);
/* The value of the first option of that name, borrowed, or NULL. */
const char *cmdline_value(const struct strlist *words, const char *name);

/* The VM's number behind -id; 0 where QEMU is not to run a VM of PVE's. */
unsigned int cmdline_vmid(const struct strlist *words);

/* Whether a list of properties, "type=1,uuid=…", has this one; what QEMU writes as ",," is in it as it stands. */
bool has_property(const char *list, const char *name);

/*
 * A property of -device, in either of its forms ("vfio-pci,id=…" and JSON); of
 * -smbios and -machine too. "driver" is the first without a name. The caller
 * frees it; NULL where there is none.
 */
char *property(const char *list, const char *name);

/* The VM's uuid behind -smbios; the caller frees it. NULL where there is none. */
char *cmdline_smbios_uuid(const struct strlist *words);

/* What a vfio-pci device of -device stands on. */
struct vfio_device {
	char *id;			/* "hostpci0", or NULL; owned */
	int index;			/* of such an id, or -1 */
	char uuid[UUID_TEXT_LEN];	/* of the mdev, whichever way sysfsdev goes to it; "" on a PCI function */
	bool on_bdf;			/* bdf is set */
	struct bdf bdf;
};

/* Read -device's value. False: it is no vfio-pci. Release with vfio_device_free(). */
bool vfio_device_read(const char *value, struct vfio_device *d);
void vfio_device_free(struct vfio_device *d);
#define AUTO_VFIO_DEVICE __attribute__((cleanup(vfio_device_free)))

/* "hostpci<N>" or, of several functions, "hostpci<N>.<F>": N; -1: another id, or NULL. */
int hostpci_index(const char *id);

#endif
