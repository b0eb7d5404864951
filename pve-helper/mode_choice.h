/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How the vGPUs of a VM are to reach its QEMU: the first mode that can do what
 * the intent asks on this node. Pure.
 */
#ifndef MODE_CHOICE_H
#define MODE_CHOICE_H

#include <stdbool.h>

#include "err.h"
#include "settings.h"

/* The qemu-server that gives QEMU a -uuid for an NVIDIA mdev of a hostpci<N> line. */
#define MODE_SINCE_UUID	"7.2-4"

/* What counts for the choice. */
struct mode_facts {
	/* of the node */
	const char *qemu_server;	/* version; NULL: not known, and taken for an old one */
	bool wrapper;			/* the wrapper stands at /usr/bin/kvm */
	bool inject_uuid;		/* and gives QEMU a -uuid that it lacks */
	bool mdev, vendor;		/* where the node has the types: on the mdev bus, on vendor VFIO */
	bool nvidia;			/* one of the types is NVIDIA's */
	bool other_domain;		/* the vendor VFs are all in PCI domains other than 0000 */
	/* of the VM */
	bool smbios_uuid;		/* its config gives the guest a UUID of its own */
	bool own_uuid;			/* its args have a -uuid of the admin's */
	/* of the intent */
	enum vm_mode asked;		/* MODE_UNSET: choose */
	bool kept;			/* it is asked for by the settings, not by this command */
	bool several;			/* an index has more than one choice */
	bool placement, gpu, params;
	bool x_vga, display, ramfb;
};

struct mode_choice {
	enum vm_mode mode;
	bool mapping;			/* native: by a cluster mapping, not by an address */
	char *why;			/* "qemu-server 9.2.6 attaches it" */
	char *price;			/* what is lost by it, or NULL */
};

/*
 * Returns 0 and *out, or -EINVAL with what speaks against the mode that is
 * asked for, or against each. Release with mode_choice_free().
 * Source of the versions: qemu-server's changelog, debian/changelog
 */
int mode_choose(const struct mode_facts *f, struct mode_choice *out, struct err *e);
void mode_choice_free(struct mode_choice *c);
#define AUTO_MODE_CHOICE __attribute__((cleanup(mode_choice_free)))

#endif
