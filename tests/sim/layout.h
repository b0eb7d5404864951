/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Where things lie in sysfs: directories, buses, drivers, bridges.
 * Used while a node is loaded.
 */
#ifndef SIM_LAYOUT_H
#define SIM_LAYOUT_H

#include "err.h"
#include "model.h"

struct bdf {
	unsigned int domain, bus, devfn;
};

int bdf_parse(const char *text, struct bdf *out);
void bdf_format(const struct bdf *b, char *buf, size_t size);

/* The directories every node has. @max_devs: room in sim->devs. */
void layout_init(struct sim *sim, size_t max_devs);

int layout_dir(struct sim *sim, int parent, const char *name);
int layout_bus(struct sim *sim, const char *name);
int layout_driver(struct sim *sim, unsigned int bus, const char *name);

/* A function behind its root port, or beside @pf. NULL: the address is taken. */
struct dev *layout_pci(struct sim *sim, const struct bdf *at, const struct dev *pf,
		       enum dev_kind kind, struct err *e);

/* An mdev parent that is no PCI function, at devices/<path>. */
struct dev *layout_other(struct sim *sim, const char *path, struct err *e);

/* After all devices: iommu groups, vfio numbers, modules, NUMA nodes. */
void layout_finish(struct sim *sim);

#endif
