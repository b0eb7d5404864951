/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Names to nodes and back.
 */
#include "tree.h"
#include "attr.h"
#include "control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NODE(k, l, a, b) \
	((struct node){ .kind = (k), .leaf = (l), .x = (uint32_t)(a), .y = (uint32_t)(b) })
#define ROOT_INO 1

/* The rest of y tells inodes of one write-only file apart, see own_inode(). */
#define TYPE_BITS 12
#define TYPE_OF(n) ((n).y & ((1U << TYPE_BITS) - 1))

/* --- nodes --------------------------------------------------------------- */

uint64_t node_ino(struct node n)
{
	uint64_t ino = (uint64_t)n.kind << 56 | (uint64_t)n.leaf << 48 |
		       (uint64_t)(n.x & 0xffffff) << 24 | (n.y & 0xffffff);

	/* The root is all zeroes, and 1 to FUSE; nothing else is 0 or 1. */
	return ino ? ino : ROOT_INO;
}

struct node node_of_ino(uint64_t ino)
{
	if (ino == ROOT_INO)
		ino = 0;
	return NODE(ino >> 56, ino >> 48 & 0xff, ino >> 24 & 0xffffff,
		    ino & 0xffffff);
}

static struct node dir_node(int dir)
{
	return NODE(K_DIR, 0, dir, 0);
}

static struct node dev_node(const struct sim *sim, const struct dev *d)
{
	return NODE(K_DEV, 0, dev_index(sim, d), 0);
}

static struct node type_node(const struct sim *sim, const struct dev *d,
			     const struct vgpu_type *t)
{
	return NODE(K_TYPE, 0, dev_index(sim, d), t - d->gpu->types.v);
}

static int find_dir(const struct sim *sim, enum dir_role role, unsigned int bus)
{
	int i;

	for (i = 0; i < sim->n_dirs; i++)
		if (sim->dirs[i].role == role && sim->dirs[i].bus == bus)
			return i;
	return 0;
}

struct dev *node_dev(const struct sim *sim, struct node n)
{
	struct dev *d = n.x < sim->n_devs ? &sim->devs[n.x] : NULL;

	return d && dev_visible(d) ? d : NULL;
}

struct vgpu *node_vgpu(const struct sim *sim, struct node n)
{
	return model_find_serial(sim, n.x);
}

const struct vgpu_type *node_type(const struct sim *sim, struct node n)
{
	struct dev *d = node_dev(sim, n);

	if (!d || !dev_is_mdev_parent(d) || TYPE_OF(n) >= d->gpu->types.n)
		return NULL;
	return &d->gpu->types.v[TYPE_OF(n)];
}

static const struct slot *slot_get(const struct slots *s, uint32_t i)
{
	const struct slot *v = i < s->n ? &s->v[i] : NULL;

	if (!v || (!v->dev && !v->vgpu))
		return NULL;
	return v->dev && !dev_visible(v->dev) ? NULL : v;
}

static bool mdev_driver_of(const struct sim *sim, int i, const struct vgpu *v)
{
	return v->uuid[0] && sim->drivers[i].bus == BUS_MDEV &&
	       !strcmp(sim->drivers[i].name, v->dev->gpu->mdev_driver);
}

static int mdev_driver_index(const struct sim *sim, const struct vgpu *v)
{
	int i;

	for (i = 0; i < sim->n_drivers; i++)
		if (mdev_driver_of(sim, i, v))
			return i;
	return 0;
}

static bool dir_exists(const struct sim *sim, struct node n)
{
	const struct dev *d;
	const struct vgpu *v;

	switch (n.kind) {
	case K_DIR:
		return (int)n.x < sim->n_dirs;
	case K_DEV:
		return node_dev(sim, n);
	case K_TYPES:
		d = node_dev(sim, n);
		return d && dev_is_mdev_parent(d);
	case K_TYPE:
	case K_TYPE_DEVICES:
		return node_type(sim, n);
	case K_DEV_NVIDIA:
		d = node_dev(sim, n);
		return d && dev_is_vendor(sim, d);
	case K_DEV_VFIOS:
	case K_DEV_VFIO:
		d = node_dev(sim, n);
		return d && d->vfio >= 0;
	case K_VGPU:
		v = node_vgpu(sim, n);
		return v && v->uuid[0];
	case K_VGPU_NVIDIA:
		v = node_vgpu(sim, n);
		return v && v->uuid[0] && !v->dev->gpu->types.pool &&
		       !v->removing;
	case K_VGPU_VFIOS:
	case K_VGPU_VFIO:
		v = node_vgpu(sim, n);
		return v && v->vfio >= 0;
	case K_GROUP:
	case K_GROUP_DEVICES:
		return slot_get(&sim->groups, n.x);
	case K_DRIVER:
		return (int)n.x < sim->n_drivers;
	case K_MODULE:
	case K_MODULE_DRIVERS:
		return (int)n.x < sim->n_modules;
	case K_NUMA:
		return (int)n.x < sim->n_numa;
	}
	return false;
}

/* --- links: the directory they are in and the one they lead to ------------ */

static int dev_link_ends(const struct sim *sim, struct node n, struct node *in,
			 struct node *to)
{
	const struct dev *d = node_dev(sim, n);

	if (!d)
		return -ENOENT;
	*in = *to = dev_node(sim, d);
	switch (n.leaf) {
	case L_BUS_DEV:
		*in = dir_node(find_dir(sim, ROLE_BUS_DEVICES, d->bus));
		return 0;
	case L_MDEV_BUS:
		*in = dir_node(find_dir(sim, ROLE_MDEV_BUS, 0));
		return dev_is_mdev_parent(d) ? 0 : -ENOENT;
	case L_DRIVER_DEV:
		*in = NODE(K_DRIVER, 0, d->driver, 0);
		return d->driver < 0 ? -ENOENT : 0;
	case L_DEV_DRIVER:
		*to = NODE(K_DRIVER, 0, d->driver, 0);
		return d->driver < 0 ? -ENOENT : 0;
	case L_DEV_GROUP:
		*to = NODE(K_GROUP, 0, d->group, 0);
		return d->group < 0 ? -ENOENT : 0;
	case L_DEV_SUBSYSTEM:
		*to = tree_parent(sim, dir_node(find_dir(sim, ROLE_BUS_DEVICES, d->bus)));
		return 0;
	case L_PHYSFN:
		if (d->kind != DEV_VF)
			return -ENOENT;
		*to = dev_node(sim, d->gpu->pf);
		return 0;
	case L_VIRTFN:
		if (d->kind != DEV_PF || n.y >= d->gpu->numvfs ||
		    !dev_visible(&d->gpu->vf[n.y]))
			return -ENOENT;
		*to = dev_node(sim, &d->gpu->vf[n.y]);
		return 0;
	case L_DEV_VFIO_DEVICE:
		*in = NODE(K_DEV_VFIO, 0, n.x, 0);
		return d->vfio < 0 ? -ENOENT : 0;
	case L_DEV_VFIO_SUBSYSTEM:
		*in = NODE(K_DEV_VFIO, 0, n.x, 0);
		*to = dir_node(sim->dir_class_vfio_dev);
		return d->vfio < 0 ? -ENOENT : 0;
	}
	return -ENOENT;
}

/* device_del() takes these away before the driver's remove() waits. */
static bool gone_while_removing(enum link l)
{
	return l != L_VGPU_GROUP && l != L_VGPU_VFIO_DEVICE &&
	       l != L_VGPU_VFIO_SUBSYSTEM;
}

static int vgpu_link_ends(const struct sim *sim, struct node n, struct node *in,
			  struct node *to)
{
	const struct vgpu *v = node_vgpu(sim, n);

	if (!v || !v->uuid[0])
		return -ENOENT;
	if (v->removing && gone_while_removing(n.leaf))
		return -ENOENT;
	*in = *to = NODE(K_VGPU, 0, n.x, 0);
	switch (n.leaf) {
	case L_DRIVER_VGPU:
		*in = NODE(K_DRIVER, 0, mdev_driver_index(sim, v), 0);
		return 0;
	case L_BUS_VGPU:
		*in = dir_node(find_dir(sim, ROLE_MDEV_DEVICES, BUS_MDEV));
		return 0;
	case L_TYPE_VGPU:
		*in = type_node(sim, v->dev, v->type);
		in->kind = K_TYPE_DEVICES;
		return 0;
	case L_VGPU_TYPE:
		*to = type_node(sim, v->dev, v->type);
		return 0;
	case L_VGPU_GROUP:
		*to = NODE(K_GROUP, 0, v->group, 0);
		return v->group < 0 ? -ENOENT : 0;
	case L_VGPU_SUBSYSTEM:
		*to = dir_node(sim->dir_bus_mdev);
		return 0;
	case L_VGPU_DRIVER:
		*to = NODE(K_DRIVER, 0, mdev_driver_index(sim, v), 0);
		return 0;
	case L_VGPU_VFIO_DEVICE:
		*in = NODE(K_VGPU_VFIO, 0, n.x, 0);
		return v->vfio < 0 ? -ENOENT : 0;
	case L_VGPU_VFIO_SUBSYSTEM:
		*in = NODE(K_VGPU_VFIO, 0, n.x, 0);
		*to = dir_node(sim->dir_class_vfio_dev);
		return v->vfio < 0 ? -ENOENT : 0;
	}
	return -ENOENT;
}

static struct node slot_owner(const struct sim *sim, const struct slot *s)
{
	return s->dev ? dev_node(sim, s->dev) : NODE(K_VGPU, 0, s->vgpu->serial, 0);
}

static int slot_link_ends(const struct sim *sim, struct node n, struct node *in,
			  struct node *to)
{
	const struct slot *s = slot_get(n.leaf == L_GROUP_MEMBER ?
					&sim->groups : &sim->vfios, n.x);

	if (!s)
		return -ENOENT;
	*to = slot_owner(sim, s);
	if (n.leaf == L_GROUP_MEMBER) {
		*in = NODE(K_GROUP_DEVICES, 0, n.x, 0);
		return 0;
	}
	*in = dir_node(sim->dir_class_vfio_dev);
	to->kind = s->dev ? K_DEV_VFIO : K_VGPU_VFIO;
	return 0;
}

static int driver_link_ends(const struct sim *sim, struct node n,
			    struct node *in, struct node *to)
{
	int module;

	if ((int)n.x >= sim->n_drivers)
		return -ENOENT;
	module = sim->drivers[n.x].module;
	if (module < 0)
		return -ENOENT;
	*in = NODE(K_DRIVER, 0, n.x, 0);
	*to = NODE(K_MODULE, 0, module, 0);
	if (n.leaf == L_MODULE_DRIVER) {
		*to = *in;
		*in = NODE(K_MODULE_DRIVERS, 0, module, 0);
	}
	return 0;
}

static int link_ends(const struct sim *sim, struct node n, struct node *in,
		     struct node *to)
{
	switch (n.leaf) {
	case L_DRIVER_MODULE:
	case L_MODULE_DRIVER:
		return driver_link_ends(sim, n, in, to);
	case L_GROUP_MEMBER:
	case L_CLASS_VFIO:
		return slot_link_ends(sim, n, in, to);
	case L_CLASS_IOMMU:
		*in = dir_node(find_dir(sim, ROLE_CLASS_IOMMU, 0));
		*to = dir_node(sim->dir_dmar);
		return sim->dir_dmar ? 0 : -ENOENT;
	case L_DRIVER_VGPU:
	case L_BUS_VGPU:
	case L_TYPE_VGPU:
	case L_VGPU_TYPE:
	case L_VGPU_GROUP:
	case L_VGPU_SUBSYSTEM:
	case L_VGPU_DRIVER:
	case L_VGPU_VFIO_DEVICE:
	case L_VGPU_VFIO_SUBSYSTEM:
		return vgpu_link_ends(sim, n, in, to);
	}
	return dev_link_ends(sim, n, in, to);
}

enum node_shape node_shape(const struct sim *sim, struct node n)
{
	struct node in, to;

	if (n.kind == K_LINK)
		return link_ends(sim, n, &in, &to) ? SHAPE_NONE : SHAPE_LINK;
	if (n.kind == K_CONTROL)
		return n.leaf <= CTL_MAX ? SHAPE_FILE : SHAPE_NONE;
	if (!dir_exists(sim, n))
		return SHAPE_NONE;
	if (!n.leaf)
		return SHAPE_DIR;
	return attr_present(sim, n, n.leaf) ? SHAPE_FILE : SHAPE_NONE;
}

/* --- paths ----------------------------------------------------------------- */

static void dev_dir_path(const struct sim *sim, struct node n, char *buf, size_t size)
{
	const struct dev *d = &sim->devs[n.x];

	switch (n.kind) {
	case K_DEV:
		snprintf(buf, size, "%s", d->path);
		break;
	case K_TYPES:
		snprintf(buf, size, "%s/mdev_supported_types", d->path);
		break;
	case K_TYPE:
	case K_TYPE_DEVICES:
		snprintf(buf, size, "%s/mdev_supported_types/%s-%s%s", d->path,
			 dev_type_prefix(sim, d), d->gpu->types.v[TYPE_OF(n)].id,
			 n.kind == K_TYPE ? "" : "/devices");
		break;
	case K_DEV_NVIDIA:
		snprintf(buf, size, "%s/nvidia", d->path);
		break;
	case K_DEV_VFIOS:
		snprintf(buf, size, "%s/vfio-dev", d->path);
		break;
	case K_DEV_VFIO:
		snprintf(buf, size, "%s/vfio-dev/vfio%d", d->path, d->vfio);
		break;
	}
}

/* Of a vGPU that is gone it is empty. */
static void vgpu_dir_path(const struct sim *sim, struct node n, char *buf, size_t size)
{
	const struct vgpu *v = node_vgpu(sim, n);

	if (!v)
		return;
	switch (n.kind) {
	case K_VGPU:
		snprintf(buf, size, "%s/%s", v->dev->path, v->uuid);
		break;
	case K_VGPU_NVIDIA:
		snprintf(buf, size, "%s/%s/nvidia", v->dev->path, v->uuid);
		break;
	case K_VGPU_VFIOS:
		snprintf(buf, size, "%s/%s/vfio-dev", v->dev->path, v->uuid);
		break;
	case K_VGPU_VFIO:
		snprintf(buf, size, "%s/%s/vfio-dev/vfio%d", v->dev->path,
			 v->uuid, v->vfio);
		break;
	}
}

static void dir_path_of(const struct sim *sim, struct node n, char *buf, size_t size)
{
	const struct driver *drv;

	buf[0] = '\0';
	switch (n.kind) {
	case K_DIR:
		snprintf(buf, size, "%s", sim->dirs[n.x].path);
		break;
	case K_DEV ... K_DEV_VFIO:
		dev_dir_path(sim, n, buf, size);
		break;
	case K_VGPU ... K_VGPU_VFIO:
		vgpu_dir_path(sim, n, buf, size);
		break;
	case K_GROUP:
	case K_GROUP_DEVICES:
		snprintf(buf, size, "kernel/iommu_groups/%u%s", n.x,
			 n.kind == K_GROUP ? "" : "/devices");
		break;
	case K_DRIVER:
		drv = &sim->drivers[n.x];
		snprintf(buf, size, "bus/%s/drivers/%s", sim->buses[drv->bus],
			 drv->name);
		break;
	case K_MODULE:
	case K_MODULE_DRIVERS:
		snprintf(buf, size, "module/%s%s", sim->modules[n.x].name,
			 n.kind == K_MODULE ? "" : "/drivers");
		break;
	case K_NUMA:
		snprintf(buf, size, "devices/system/node/node%u", n.x);
		break;
	}
}

void node_path(const struct sim *sim, struct node n, char *buf, size_t size)
{
	struct node dir = n;
	size_t len;

	dir.leaf = 0;
	if (n.kind == K_LINK || n.kind == K_CONTROL) {
		buf[0] = '\0';
		return;
	}
	dir_path_of(sim, dir, buf, size);
	len = strlen(buf);
	if (n.leaf && len < size)
		snprintf(buf + len, size - len, "/%s", attr_name(n.leaf));
}

/*
 * As kernfs_get_target_path(): up to the nearest directory above the target,
 * then down, so that the last component is always the target's own name.
 */
static int relative(const char *in, const char *to, char *buf, size_t size)
{
	const char *last = strrchr(to, '/');
	size_t top = last ? (size_t)(last - to) : 0;
	size_t i = 0, common = 0, n = 0;

	while (i <= top && (in[i] == to[i] || !in[i] || i == top)) {
		if (i == top || to[i] == '/')
			common = !in[i] || in[i] == '/' ? i : common;
		if (!in[i])
			break;
		i++;
	}
	for (i = common; in[i]; i++)
		if (in[i] != '/' && (i == 0 || in[i - 1] == '/') && n + 4 < size)
			n += (size_t)sprintf(buf + n, "../");
	to += common + (to[common] == '/');
	if (n + strlen(to) + 1 > size)
		return -ENAMETOOLONG;
	strcpy(buf + n, to);
	return 0;
}

int tree_readlink(const struct sim *sim, struct node n, char *buf, size_t size)
{
	char from[512], target[512];
	struct node in, to;
	int rc = link_ends(sim, n, &in, &to);

	if (rc)
		return rc;
	dir_path_of(sim, in, from, sizeof(from));
	dir_path_of(sim, to, target, sizeof(target));
	return relative(from, target, buf, size);
}

/* --- what a directory has --------------------------------------------------- */

struct walk {
	const struct sim *sim;
	tree_fn *fn;
	void *arg;
	int rc;
};

static void emit(struct walk *w, const char *name, struct node n)
{
	if (!w->rc)
		w->rc = w->fn(w->arg, name, n);
}

static void emit_link(struct walk *w, const char *name, enum link l, uint32_t x)
{
	struct node in, to, n = NODE(K_LINK, l, x, 0);

	if (!w->rc && !link_ends(w->sim, n, &in, &to))
		emit(w, name, n);
}

static void emit_dir(struct walk *w, const char *name, enum kind k, uint32_t x,
		     uint32_t y)
{
	struct node n = NODE(k, 0, x, y);

	if (!w->rc && dir_exists(w->sim, n))
		emit(w, name, n);
}

static void emit_attrs(struct walk *w, struct node dir)
{
	unsigned int i;

	for (i = attr_next(w->sim, dir, 1); i && !w->rc;
	     i = attr_next(w->sim, dir, i + 1)) {
		struct node n = dir;

		n.leaf = (uint8_t)i;
		emit(w, attr_name(i), n);
	}
}

/* Links and directories with names of their own; few, so searched in turn. */
static void each_fixed(struct walk *w, struct node n)
{
	const struct sim *sim = w->sim;
	uint32_t x = n.x;
	char name[32];

	emit_attrs(w, n);
	switch (n.kind) {
	case K_DEV:
		emit_link(w, "driver", L_DEV_DRIVER, x);
		emit_link(w, "iommu_group", L_DEV_GROUP, x);
		emit_link(w, "subsystem", L_DEV_SUBSYSTEM, x);
		emit_link(w, "physfn", L_PHYSFN, x);
		emit_dir(w, "mdev_supported_types", K_TYPES, x, 0);
		emit_dir(w, "nvidia", K_DEV_NVIDIA, x, 0);
		emit_dir(w, "vfio-dev", K_DEV_VFIOS, x, 0);
		break;
	case K_TYPE:
		emit_dir(w, "devices", K_TYPE_DEVICES, x, n.y);
		break;
	case K_DEV_VFIOS:
		snprintf(name, sizeof(name), "vfio%d", sim->devs[x].vfio);
		emit_dir(w, name, K_DEV_VFIO, x, 0);
		break;
	case K_DEV_VFIO:
		emit_link(w, "device", L_DEV_VFIO_DEVICE, x);
		emit_link(w, "subsystem", L_DEV_VFIO_SUBSYSTEM, x);
		break;
	case K_VGPU:
		emit_link(w, "mdev_type", L_VGPU_TYPE, x);
		emit_link(w, "iommu_group", L_VGPU_GROUP, x);
		emit_link(w, "subsystem", L_VGPU_SUBSYSTEM, x);
		emit_link(w, "driver", L_VGPU_DRIVER, x);
		emit_dir(w, "nvidia", K_VGPU_NVIDIA, x, 0);
		emit_dir(w, "vfio-dev", K_VGPU_VFIOS, x, 0);
		break;
	case K_VGPU_VFIOS:
		snprintf(name, sizeof(name), "vfio%d", node_vgpu(sim, n)->vfio);
		emit_dir(w, name, K_VGPU_VFIO, x, 0);
		break;
	case K_VGPU_VFIO:
		emit_link(w, "device", L_VGPU_VFIO_DEVICE, x);
		emit_link(w, "subsystem", L_VGPU_VFIO_SUBSYSTEM, x);
		break;
	case K_GROUP:
		emit_dir(w, "devices", K_GROUP_DEVICES, x, 0);
		break;
	case K_DRIVER:
		emit_link(w, "module", L_DRIVER_MODULE, x);
		break;
	case K_MODULE:
		emit_dir(w, "drivers", K_MODULE_DRIVERS, x, 0);
		break;
	}
}

static void each_vgpu_link(struct walk *w, struct node n, enum link l)
{
	const struct vgpu *v;

	for (v = w->sim->vgpus; v && !w->rc; v = v->next) {
		if (!v->uuid[0])
			continue;
		if (l == L_DRIVER_VGPU && !mdev_driver_of(w->sim, (int)n.x, v))
			continue;
		emit_link(w, v->uuid, l, v->serial);
	}
}

static void each_type_vgpu(struct walk *w, struct node n)
{
	const struct vgpu_type *t = node_type(w->sim, n);
	const struct vgpu *v;

	for (v = w->sim->devs[n.x].vgpus; v && !w->rc; v = v->dev_next)
		if (v->type == t)
			emit_link(w, v->uuid, L_TYPE_VGPU, v->serial);
}

static void each_dev_link(struct walk *w, enum link l, unsigned int bus)
{
	size_t i;

	for (i = 0; i < w->sim->n_devs && !w->rc; i++)
		if (w->sim->devs[i].bus == bus || l == L_MDEV_BUS)
			emit_link(w, w->sim->devs[i].name, l, (uint32_t)i);
}

static void each_slot(struct walk *w, const struct slots *s, const char *prefix,
		      enum kind k, enum link l)
{
	char name[32];
	size_t i;

	for (i = 0; i < s->n && !w->rc; i++) {
		if (!slot_get(s, (uint32_t)i))
			continue;
		snprintf(name, sizeof(name), "%s%zu", prefix, i);
		emit(w, name, NODE(k, l, i, 0));
	}
}

static void each_driver(struct walk *w, unsigned int bus)
{
	int i;

	for (i = 0; i < w->sim->n_drivers && !w->rc; i++)
		if (w->sim->drivers[i].bus == bus)
			emit(w, w->sim->drivers[i].name, NODE(K_DRIVER, 0, i, 0));
}

static void each_of_role(struct walk *w, const struct dir *dir)
{
	const struct sim *sim = w->sim;
	char name[32];
	int i;

	switch (dir->role) {
	case ROLE_NONE:
		break;
	case ROLE_BUS_DEVICES:
		each_dev_link(w, L_BUS_DEV, dir->bus);
		break;
	case ROLE_DRIVERS:
		each_driver(w, dir->bus);
		break;
	case ROLE_MDEV_DEVICES:
		each_vgpu_link(w, NODE(K_DIR, 0, 0, 0), L_BUS_VGPU);
		break;
	case ROLE_MDEV_BUS:
		each_dev_link(w, L_MDEV_BUS, 0);
		break;
	case ROLE_IOMMU_GROUPS:
		each_slot(w, &sim->groups, "", K_GROUP, 0);
		break;
	case ROLE_MODULES:
		for (i = 0; i < sim->n_modules; i++)
			emit(w, sim->modules[i].name, NODE(K_MODULE, 0, i, 0));
		break;
	case ROLE_NODES:
		for (i = 0; i < sim->n_numa; i++) {
			snprintf(name, sizeof(name), "node%d", i);
			emit(w, name, NODE(K_NUMA, 0, i, 0));
		}
		break;
	case ROLE_CLASS_IOMMU:
		emit_link(w, "dmar0", L_CLASS_IOMMU, 0);
		break;
	case ROLE_CLASS_VFIO_DEV:
		each_slot(w, &sim->vfios, "vfio", K_LINK, L_CLASS_VFIO);
		break;
	case ROLE_SIM:
		for (i = 0; i < CTL_MAX; i++)
			emit(w, control_names[i], NODE(K_CONTROL, i + 1, 0, 0));
		break;
	}
}

static void each_child_dev(struct walk *w, const struct dev *d)
{
	for (; d && !w->rc; d = d->sibling)
		if (dev_visible(d))
			emit(w, d->name, dev_node(w->sim, d));
}

static void each_in_dev(struct walk *w, struct node n)
{
	const struct dev *d = &w->sim->devs[n.x];
	const struct vgpu *v;
	char name[32];
	unsigned int i;

	each_child_dev(w, d->child);
	for (v = d->vgpus; v && !w->rc; v = v->dev_next)
		if (v->uuid[0])
			emit(w, v->uuid, NODE(K_VGPU, 0, v->serial, 0));
	if (d->kind != DEV_PF)
		return;
	for (i = 0; i < d->gpu->numvfs && !w->rc; i++) {
		if (!dev_visible(&d->gpu->vf[i]))
			continue;
		snprintf(name, sizeof(name), "virtfn%u", i);
		emit(w, name, NODE(K_LINK, L_VIRTFN, n.x, i));
	}
}

static void type_dir_name(const struct sim *sim, const struct dev *d,
			  unsigned int i, char *buf, size_t size)
{
	snprintf(buf, size, "%s-%s", dev_type_prefix(sim, d),
		 d->gpu->types.v[i].id);
}

static void each_type(struct walk *w, struct node n)
{
	const struct dev *d = &w->sim->devs[n.x];
	char name[256];
	unsigned int i;

	for (i = 0; i < d->gpu->types.n && !w->rc; i++) {
		type_dir_name(w->sim, d, i, name, sizeof(name));
		emit(w, name, NODE(K_TYPE, 0, n.x, i));
	}
}

static void each_module_driver(struct walk *w, struct node n)
{
	const struct sim *sim = w->sim;
	char name[256];
	int i;

	for (i = 0; i < sim->n_drivers && !w->rc; i++) {
		if (sim->drivers[i].module != (int)n.x)
			continue;
		snprintf(name, sizeof(name), "%s:%s",
			 sim->buses[sim->drivers[i].bus], sim->drivers[i].name);
		emit_link(w, name, L_MODULE_DRIVER, (uint32_t)i);
	}
}

static void each_of_driver(struct walk *w, struct node n)
{
	size_t i;

	if (w->sim->drivers[n.x].bus == BUS_MDEV)
		each_vgpu_link(w, n, L_DRIVER_VGPU);
	for (i = 0; i < w->sim->n_devs && !w->rc; i++)
		if (w->sim->devs[i].driver == (int)n.x)
			emit_link(w, w->sim->devs[i].name, L_DRIVER_DEV, (uint32_t)i);
}

/* All the rest: as many as there are devices, types, vGPUs. */
static void each_many(struct walk *w, struct node n)
{
	const struct sim *sim = w->sim;
	const struct slot *s;
	int i;

	switch (n.kind) {
	case K_DIR:
		for (i = 1; i < sim->n_dirs; i++)
			if (sim->dirs[i].parent == (int)n.x)
				emit(w, sim->dirs[i].name, dir_node(i));
		each_child_dev(w, sim->dirs[n.x].child);
		each_of_role(w, &sim->dirs[n.x]);
		break;
	case K_DEV:
		each_in_dev(w, n);
		break;
	case K_TYPES:
		each_type(w, n);
		break;
	case K_TYPE_DEVICES:
		each_type_vgpu(w, n);
		break;
	case K_GROUP_DEVICES:
		s = slot_get(&sim->groups, n.x);
		emit_link(w, s->dev ? s->dev->name : s->vgpu->uuid,
			  L_GROUP_MEMBER, n.x);
		break;
	case K_DRIVER:
		each_of_driver(w, n);
		break;
	case K_MODULE_DRIVERS:
		each_module_driver(w, n);
		break;
	}
}

int tree_each(const struct sim *sim, struct node dir, tree_fn *fn, void *arg)
{
	struct walk w = { .sim = sim, .fn = fn, .arg = arg };

	if (!dir_exists(sim, dir))
		return -ENOENT;
	each_fixed(&w, dir);
	each_many(&w, dir);
	return 0;
}

/* --- looking up one name -------------------------------------------------------- */

struct search {
	const char *name;
	struct node *out;
};

static int match(void *arg, const char *name, struct node n)
{
	struct search *s = arg;

	if (strcmp(s->name, name))
		return 0;
	*s->out = n;
	return 1;
}

static int lookup_link(const struct sim *sim, enum link l, uint32_t x,
		       struct node *out)
{
	struct node in, to;

	*out = NODE(K_LINK, l, x, 0);
	return !link_ends(sim, *out, &in, &to);
}

static int lookup_dev_link(const struct sim *sim, enum link l, const char *name,
			   int bus, int driver, struct node *out)
{
	const struct dev *d = model_find_dev(sim, name);

	if (!d || (bus >= 0 && d->bus != (unsigned int)bus) ||
	    (driver >= 0 && d->driver != driver))
		return 0;
	return lookup_link(sim, l, (uint32_t)dev_index(sim, d), out);
}

static int lookup_in_role(const struct sim *sim, const struct dir *dir,
			  const char *name, struct node *out)
{
	const struct vgpu *v;
	unsigned long n;
	char *end;

	switch (dir->role) {
	case ROLE_BUS_DEVICES:
		return lookup_dev_link(sim, L_BUS_DEV, name, (int)dir->bus, -1, out);
	case ROLE_MDEV_BUS:
		return lookup_dev_link(sim, L_MDEV_BUS, name, -1, -1, out);
	case ROLE_MDEV_DEVICES:
		v = name[0] ? model_find_uuid(sim, name) : NULL;
		return v ? lookup_link(sim, L_BUS_VGPU, v->serial, out) : 0;
	case ROLE_IOMMU_GROUPS:
		n = strtoul(name, &end, 10);
		if (*end || !slot_get(&sim->groups, (uint32_t)n) ||
		    name[0] < '0' || name[0] > '9' || (name[0] == '0' && name[1]))
			return 0;
		*out = NODE(K_GROUP, 0, n, 0);
		return 1;
	default:
		return -1;
	}
}

static int lookup_child(const struct sim *sim, struct node dir, const char *name,
			struct node *out)
{
	const struct dev *d = model_find_dev(sim, name);

	if (!d || (dir.kind == K_DEV ? d->parent_dev : d->parent_dir) != (int)dir.x ||
	    (dir.kind == K_DIR && d->parent_dev >= 0))
		return 0;
	*out = dev_node(sim, d);
	return 1;
}

static int lookup_in_dev(const struct sim *sim, struct node dir, const char *name,
			 struct node *out)
{
	const struct vgpu *v;
	struct node in, to;
	unsigned int i;
	int used = 0;

	if (sscanf(name, "virtfn%5u%n", &i, &used) == 1 && !name[used] &&
	    (name[6] != '0' || !name[7])) {
		*out = NODE(K_LINK, L_VIRTFN, dir.x, i);
		return !link_ends(sim, *out, &in, &to);
	}
	v = strlen(name) == UUID_LEN ? model_find_uuid(sim, name) : NULL;
	if (v && dev_index(sim, v->dev) == dir.x) {
		*out = NODE(K_VGPU, 0, v->serial, 0);
		return 1;
	}
	return lookup_child(sim, dir, name, out);
}

static int lookup_type(const struct sim *sim, struct node dir, const char *name,
		       struct node *out)
{
	const struct dev *d = &sim->devs[dir.x];
	const char *prefix = dev_type_prefix(sim, d);
	size_t len = strlen(prefix);
	unsigned int i;

	if (strncmp(name, prefix, len) || name[len] != '-')
		return 0;
	for (i = 0; i < d->gpu->types.n; i++)
		if (!strcmp(d->gpu->types.v[i].id, name + len + 1)) {
			*out = NODE(K_TYPE, 0, dir.x, i);
			return 1;
		}
	return 0;
}

/* 1: found; 0: none of that name; -1: not a place that is indexed. */
static int lookup_indexed(const struct sim *sim, struct node dir,
			  const char *name, struct node *out)
{
	switch (dir.kind) {
	case K_DIR:
		return lookup_in_role(sim, &sim->dirs[dir.x], name, out);
	case K_DEV:
		return lookup_in_dev(sim, dir, name, out);
	case K_TYPES:
		return lookup_type(sim, dir, name, out);
	case K_DRIVER:
		if (sim->drivers[dir.x].bus == BUS_MDEV)
			return -1;
		return lookup_dev_link(sim, L_DRIVER_DEV, name, -1, (int)dir.x, out);
	}
	return -1;
}

/*
 * The kernel lets one writer at a time into an inode, and one that waits for
 * it cannot be killed. Write-only files are asked for by path each time, so
 * each open gets an inode of its own: then nobody waits in the kernel.
 */
static void own_inode(struct node *n)
{
	static uint32_t last;

	if (n->kind >= K_DIR_MAX || !n->leaf || (attr_mode(n->leaf) & 0444))
		return;
	last++;
	if (n->kind == K_TYPE)
		n->y |= last << TYPE_BITS & 0xffffff;
	else if (n->kind == K_VGPU)
		n->y = last & 0xffffff;
}

int tree_lookup(struct sim *sim, struct node dir, const char *name,
		struct node *out)
{
	struct search s = { name, out };
	struct walk w = { .sim = sim, .fn = match, .arg = &s };
	int rc;

	if (!dir_exists(sim, dir))
		return -ENOENT;
	each_fixed(&w, dir);
	if (!w.rc) {
		rc = lookup_indexed(sim, dir, name, out);
		if (rc >= 0)
			w.rc = rc;
		else
			each_many(&w, dir);
	}
	if (!w.rc)
		return -ENOENT;
	own_inode(out);
	return 0;
}

/* For "..", which the kernel alone resolves; good enough for readdir. */
struct node tree_parent(const struct sim *sim, struct node n)
{
	if (n.kind == K_DIR && sim->dirs[n.x].parent >= 0)
		return dir_node(sim->dirs[n.x].parent);
	return dir_node(0);
}
