/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A GPU's SR-IOV, as sysfs shows it. */
#ifndef SRIOV_H
#define SRIOV_H

#include <stdbool.h>
#include <stddef.h>

#include "bdf.h"
#include "pci_tree.h"
#include "root.h"

#define PCI_VENDOR_NVIDIA	0x10de
#define PCI_VENDOR_AMD		0x1002
#define PCI_VENDOR_INTEL	0x8086

struct sriov {
	struct bdf addr;		/* physical function */
	unsigned int vendor;
	char *driver;			/* "" without one */
	bool capable;			/* it can have VFs */
	unsigned int total, num;	/* sriov_totalvfs, sriov_numvfs */
	struct bdf_list vfs;		/* those that are there, in order */
	size_t bound;			/* those of them with a driver */
};

void sriov_free(struct sriov *s);
#define AUTO_SRIOV __attribute__((cleanup(sriov_free)))

/* "NVIDIA", "AMD", "Intel"; else the number. The text lives as long as buf. */
const char *sriov_vendor_name(unsigned int vendor, char buf[static 8]);

/*
 * Look at one GPU. Returns 0; -ENODEV: there is no such device, or it is no GPU;
 * -EINVAL: it is a VF; or -errno. *out is set on success only.
 */
int sriov_look(const struct root *r, const struct bdf *addr, struct sriov *out, struct err *e);

/* The GPUs that can have VFs, in order of address. */
int sriov_list(const struct root *r, struct bdf_list *out, struct err *e);

/* All GPUs of a vendor, whether they can have VFs or not, in order of address; VFs are none. */
int gpu_list(const struct root *r, unsigned int vendor, struct bdf_list *out, struct err *e);

/*
 * Write sriov_numvfs, by way of 0 where the kernel wants it so.
 * Source: Linux drivers/pci/iov.c, sriov_numvfs_store()
 */
int sriov_write(const struct root *r, const struct sriov *s, unsigned int n, struct err *e);

/* Whether all VFs are there that num tells of, each with a driver. */
bool sriov_complete(const struct sriov *s);

#endif
