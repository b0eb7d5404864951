/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Where things lie in sysfs.
 *
 * A function on bus B is behind a root port of its own on the bus B-1 with
 * the low five bits cleared; functions on bus 0 stand on the root bus.
 */
#include "layout.h"
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PORT_DEVFN	(0x1c << 3)
#define MAX_DIRS	4096

int bdf_parse(const char *text, struct bdf *out)
{
	unsigned int domain, bus, dev, fn;
	char again[32];

	if (sscanf(text, "%8x:%2x:%2x.%1x", &domain, &bus, &dev, &fn) != 4 ||
	    dev > 31 || fn > 7)
		return -1;
	*out = (struct bdf){ domain, bus, dev << 3 | fn };
	bdf_format(out, again, sizeof(again));
	return strcmp(again, text) ? -1 : 0;
}

void bdf_format(const struct bdf *b, char *buf, size_t size)
{
	snprintf(buf, size, "%04x:%02x:%02x.%x", b->domain, b->bus,
		 b->devfn >> 3, b->devfn & 7);
}

/* --- directories, buses, drivers ----------------------------------------- */

int layout_dir(struct sim *sim, int parent, const char *name)
{
	const char *up = parent < 0 ? "" : sim->dirs[parent].path;
	struct dir *d;
	int i;

	for (i = 0; i < sim->n_dirs; i++)
		if (sim->dirs[i].parent == parent &&
		    !strcmp(sim->dirs[i].name, name))
			return i;
	if (sim->n_dirs == MAX_DIRS) {
		fputs("vgpu-sim: too many directories\n", stderr);
		exit(1);
	}
	d = &sim->dirs[sim->n_dirs];
	d->name = must_strdup(name);
	d->path = must_printf("%s%s%s", up, *up ? "/" : "", name);
	d->parent = parent;
	return sim->n_dirs++;
}

/* "a/b/c", made as far as it is missing. */
static int dir_path(struct sim *sim, const char *path, enum dir_role role,
		    unsigned int bus)
{
	char buf[256], *save, *part;
	int at = 0;

	snprintf(buf, sizeof(buf), "%s", path);
	for (part = strtok_r(buf, "/", &save); part;
	     part = strtok_r(NULL, "/", &save))
		at = layout_dir(sim, at, part);
	sim->dirs[at].role = role;
	sim->dirs[at].bus = bus;
	return at;
}

int layout_bus(struct sim *sim, const char *name)
{
	char path[256];
	unsigned int i;

	for (i = 0; i < sim->n_buses; i++)
		if (!strcmp(sim->buses[i], name))
			return (int)i;
	sim->buses = realloc(sim->buses, (i + 1) * sizeof(*sim->buses));
	if (!sim->buses)
		exit(1);
	sim->buses[sim->n_buses++] = must_strdup(name);
	snprintf(path, sizeof(path), "bus/%s/drivers", name);
	dir_path(sim, path, ROLE_DRIVERS, i);
	snprintf(path, sizeof(path), "bus/%s/devices", name);
	dir_path(sim, path, i == BUS_MDEV ? ROLE_MDEV_DEVICES : ROLE_BUS_DEVICES, i);
	return (int)i;
}

static int add_module(struct sim *sim, const char *name, const char *version)
{
	int i;

	for (i = 0; i < sim->n_modules; i++)
		if (!strcmp(sim->modules[i].name, name))
			return i;
	sim->modules = realloc(sim->modules,
			       (size_t)(i + 1) * sizeof(*sim->modules));
	if (!sim->modules)
		exit(1);
	sim->modules[i] = (struct module){ must_strdup(name), version };
	return sim->n_modules++;
}

static int driver_module(struct sim *sim, const char *driver)
{
	char name[128], *p;

	if (!strcmp(driver, "pcieport"))
		return -1;
	snprintf(name, sizeof(name), "%s", driver);
	for (p = name; *p; p++)
		if (*p == '-')
			*p = '_';
	return add_module(sim, name, strcmp(name, "nvidia") ?
			  NULL : sim->nvidia_driver);
}

int layout_driver(struct sim *sim, unsigned int bus, const char *name)
{
	int i;

	for (i = 0; i < sim->n_drivers; i++)
		if (sim->drivers[i].bus == bus && !strcmp(sim->drivers[i].name, name))
			return i;
	sim->drivers = realloc(sim->drivers,
			       (size_t)(i + 1) * sizeof(*sim->drivers));
	if (!sim->drivers)
		exit(1);
	sim->drivers[i] = (struct driver){ must_strdup(name), bus, -1 };
	sim->drivers[i].module = bus == BUS_MDEV ? -1 : driver_module(sim, name);
	return sim->n_drivers++;
}

void layout_init(struct sim *sim, size_t max_devs)
{
	sim->devs = must_calloc(max_devs, sizeof(*sim->devs));
	sim->dirs = must_calloc(MAX_DIRS, sizeof(*sim->dirs));
	layout_dir(sim, -1, "");
	dir_path(sim, "devices/system/node", ROLE_NODES, 0);
	layout_bus(sim, "pci");
	layout_bus(sim, "mdev");
	sim->dir_bus_mdev = dir_path(sim, "bus/mdev", ROLE_NONE, 0);
	dir_path(sim, "class/mdev_bus", ROLE_MDEV_BUS, 0);
	dir_path(sim, "class/iommu", ROLE_CLASS_IOMMU, 0);
	sim->dir_class_vfio_dev = dir_path(sim, "class/vfio-dev",
					   ROLE_CLASS_VFIO_DEV, 0);
	dir_path(sim, "kernel/iommu_groups", ROLE_IOMMU_GROUPS, 0);
	dir_path(sim, "module", ROLE_MODULES, 0);
	dir_path(sim, ".sim", ROLE_SIM, 0);
	if (sim->iommu)
		sim->dir_dmar = dir_path(sim, "devices/virtual/iommu/dmar0",
					 ROLE_NONE, 0);
}

/* --- devices ---------------------------------------------------------------- */

static struct dev *new_dev(struct sim *sim, const char *name, enum dev_kind kind,
			   int parent_dir, int parent_dev)
{
	struct dev *d = &sim->devs[sim->n_devs++];
	struct dev **head = parent_dev >= 0 ? &sim->devs[parent_dev].child :
					      &sim->dirs[parent_dir].child;
	const char *up = parent_dev >= 0 ? sim->devs[parent_dev].path :
					   sim->dirs[parent_dir].path;

	d->name = must_strdup(name);
	d->path = must_printf("%s/%s", up, name);
	d->kind = kind;
	d->parent_dir = parent_dir;
	d->parent_dev = parent_dev;
	d->driver = d->group = d->vfio = -1;
	d->sibling = *head;
	*head = d;
	model_add_name(sim, d);
	return d;
}

static struct dev *find_any(const struct sim *sim, const char *name)
{
	struct dev *d;

	for (d = sim->by_name[hash_str(name)]; d; d = d->hash_next)
		if (!strcmp(d->name, name))
			return d;
	return NULL;
}

static int root_bus(struct sim *sim, unsigned int domain, unsigned int bus)
{
	char path[64];

	snprintf(path, sizeof(path), "devices/pci%04x:%02x", domain, bus);
	return dir_path(sim, path, ROLE_NONE, 0);
}

/* The root port before @at, made when it is missing. NULL: name is taken. */
static struct dev *root_port(struct sim *sim, const struct bdf *at)
{
	unsigned int root = (at->bus - 1) & 0xe0, nth = at->bus - root - 1;
	struct bdf port = { at->domain, root, PORT_DEVFN + nth };
	char name[32];
	struct dev *d;

	bdf_format(&port, name, sizeof(name));
	d = find_any(sim, name);
	if (d)
		return d->kind == DEV_PORT ? d : NULL;
	d = new_dev(sim, name, DEV_PORT, root_bus(sim, at->domain, root), -1);
	d->vendor = d->sub_vendor = 0x8086;
	d->device = 0x347a;
	d->class = 0x060400;
	d->revision = 4;
	d->driver = layout_driver(sim, BUS_PCI, "pcieport");
	return d;
}

struct dev *layout_pci(struct sim *sim, const struct bdf *at, const struct dev *pf,
		       enum dev_kind kind, struct err *e)
{
	int dir = -1, dev = -1;
	struct dev *port;
	char name[32];

	bdf_format(at, name, sizeof(name));
	if (find_any(sim, name)) {
		fail(e, "the address %s is taken twice", name);
		return NULL;
	}
	if (pf) {
		dir = pf->parent_dir;
		dev = pf->parent_dev;
	} else if (!at->bus) {
		dir = root_bus(sim, at->domain, 0);
	} else {
		port = root_port(sim, at);
		if (!port) {
			fail(e, "%s: the place of its root port is taken", name);
			return NULL;
		}
		dev = (int)dev_index(sim, port);
	}
	return new_dev(sim, name, kind, dir, dev);
}

/* css0 -> css */
static void bus_of_path(const char *path, char *buf, size_t size)
{
	size_t n = strcspn(path, "/");

	while (n > 1 && path[n - 1] >= '0' && path[n - 1] <= '9')
		n--;
	snprintf(buf, size, "%.*s", (int)n, path);
}

struct dev *layout_other(struct sim *sim, const char *path, struct err *e)
{
	const char *slash = strrchr(path, '/');
	char buf[256], bus[64];
	struct dev *d;

	if (!slash || slash == path || !slash[1] || strstr(path, "..") ||
	    strlen(path) > 200) {
		fail(e, "'path' is not like css0/0.0.0313: '%s'", path);
		return NULL;
	}
	if (find_any(sim, slash + 1)) {
		fail(e, "the name %s is taken twice", slash + 1);
		return NULL;
	}
	snprintf(buf, sizeof(buf), "devices/%.*s", (int)(slash - path), path);
	bus_of_path(path, bus, sizeof(bus));
	d = new_dev(sim, slash + 1, DEV_OTHER, dir_path(sim, buf, ROLE_NONE, 0), -1);
	d->bus = (unsigned int)layout_bus(sim, bus);
	return d;
}

/* --- what is counted once everything is there --------------------------------- */

static bool has_vfio_dev(const struct sim *sim, const struct dev *d)
{
	const char *driver = dev_driver(sim, d);

	if (dev_is_vendor(sim, d))
		return true;
	return driver && !strcmp(driver, "vfio-pci") &&
	       (sim->kernel_major > 6 ||
		(sim->kernel_major == 6 && sim->kernel_minor >= 1));
}

static void number_kind(struct sim *sim, enum dev_kind kind)
{
	size_t i;

	for (i = 0; i < sim->n_devs; i++) {
		struct dev *d = &sim->devs[i];

		if (d->kind != kind)
			continue;
		if (sim->iommu && d->bus == BUS_PCI)
			d->group = slot_take(&sim->groups, d, NULL);
		if (has_vfio_dev(sim, d))
			d->vfio = slot_take(&sim->vfios, d, NULL);
		if (d->numa_node >= sim->n_numa)
			sim->n_numa = d->numa_node + 1;
	}
}

void layout_finish(struct sim *sim)
{
	size_t i;

	sim->n_numa = 1;
	for (i = 0; i < sim->n_devs; i++) {
		struct dev *d = &sim->devs[i];

		/* A root port is near what is behind it. */
		if (d->kind == DEV_PORT && d->child)
			d->numa_node = d->child->numa_node;
	}
	number_kind(sim, DEV_PORT);
	number_kind(sim, DEV_PF);
	number_kind(sim, DEV_VF);
	number_kind(sim, DEV_OTHER);
	for (i = 0; i < sim->n_gpus; i++) {
		struct gpu *g = &sim->gpus[i];

		if (g->framework == FW_MDEV && g->types.n) {
			add_module(sim, "mdev", NULL);
			layout_driver(sim, BUS_MDEV, g->mdev_driver);
		}
		if (g->framework < FW_VF && !g->types.pool)
			add_module(sim, "nvidia_vgpu_vfio", sim->nvidia_driver);
	}
	if (sim->nvidia_driver && sim->n_gpus)
		add_module(sim, "nvidia", sim->nvidia_driver);
}
