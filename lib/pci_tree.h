/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Physical and virtual functions as the links below /sys/bus/pci tell them. */
#ifndef PCI_TREE_H
#define PCI_TREE_H

#include "bdf.h"
#include "root.h"

#define PCI_DEVICES	"sys/bus/pci/devices"

struct bdf_list {
	struct bdf *b;
	size_t n;
};

void bdf_list_free(struct bdf_list *l);
#define AUTO_BDF_LIST __attribute__((cleanup(bdf_list_free)))
bool bdf_list_has(const struct bdf_list *l, const struct bdf *b);
void bdf_list_add(struct bdf_list *l, const struct bdf *b);
void bdf_list_sort(struct bdf_list *l);

/* Names in a directory that are PCI addresses, sorted. A missing directory has none. */
int pci_list(const struct root *r, const char *path, struct bdf_list *out, struct err *e);

/* 0 where the kernel shows PCI devices, else -errno: then that one is not there means nothing. */
int pci_shown(const struct root *r, struct err *e);

/* Whether the function is there at all. */
bool pci_exists(const struct root *r, const struct bdf *fn);

/* Whether a driver is bound to a function: one link. */
bool pci_has_driver(const struct root *r, const struct bdf *fn);

/* The physical function of a VF; -ENOENT for a function that is no VF. */
int pci_physfn(const struct root *r, const struct bdf *fn, struct bdf *pf);

/*
 * The VFs of a physical function in the order of their numbers; none is success.
 * A listing and, where they lie as SR-IOV has them, three links.
 */
int pci_virtfns(const struct root *r, const struct bdf *pf, struct bdf_list *out, struct err *e);

#endif
