/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Names to nodes and back. A node is computed, not stored: what it is and
 * the indexes of what it belongs to, packed into the inode number.
 * All functions want sim->lock.
 */
#ifndef SIM_TREE_H
#define SIM_TREE_H

#include "model.h"

enum kind {
	/* directories */
	K_DIR,		/* x: index into sim->dirs */
	K_DEV,		/* x: device */
	K_TYPES,	/* x: device; mdev_supported_types */
	K_TYPE,		/* x: device, y: type */
	K_TYPE_DEVICES,	/* x: device, y: type */
	K_DEV_NVIDIA,	/* x: device */
	K_DEV_VFIOS,	/* x: device; vfio-dev */
	K_DEV_VFIO,	/* x: device; vfio-dev/vfioN */
	K_VGPU,		/* x: serial */
	K_VGPU_NVIDIA,	/* x: serial */
	K_VGPU_VFIOS,	/* x: serial */
	K_VGPU_VFIO,	/* x: serial */
	K_GROUP,	/* x: group */
	K_GROUP_DEVICES,/* x: group */
	K_DRIVER,	/* x: driver */
	K_MODULE,	/* x: module */
	K_MODULE_DRIVERS, /* x: module */
	K_NUMA,		/* x: NUMA node */
	K_DIR_MAX,
	K_LINK = K_DIR_MAX, /* leaf: enum link */
	K_CONTROL,	/* leaf: enum control */
};

enum link {
	L_BUS_DEV = 1,	/* x: device */
	L_MDEV_BUS,	/* x: device */
	L_DRIVER_DEV,	/* x: device; in the driver's directory */
	L_DRIVER_VGPU,	/* x: serial; the same */
	L_DRIVER_MODULE,/* x: driver */
	L_MODULE_DRIVER,/* x: driver */
	L_DEV_DRIVER, L_DEV_GROUP, L_DEV_SUBSYSTEM, L_PHYSFN, /* x: device */
	L_VIRTFN,	/* x: device, y: VF */
	L_GROUP_MEMBER,	/* x: group */
	L_BUS_VGPU, L_TYPE_VGPU, /* x: serial */
	L_VGPU_TYPE, L_VGPU_GROUP, L_VGPU_SUBSYSTEM, L_VGPU_DRIVER, /* x: serial */
	L_CLASS_VFIO,	/* x: number */
	L_DEV_VFIO_DEVICE, L_DEV_VFIO_SUBSYSTEM, /* x: device */
	L_VGPU_VFIO_DEVICE, L_VGPU_VFIO_SUBSYSTEM, /* x: serial */
	L_CLASS_IOMMU,
};

/* leaf 0: the directory itself; else an attribute, a link, a control. */
struct node {
	uint8_t kind, leaf;
	uint32_t x, y;		/* 24 bits each */
};

uint64_t node_ino(struct node n);
struct node node_of_ino(uint64_t ino);

enum node_shape { SHAPE_NONE, SHAPE_DIR, SHAPE_FILE, SHAPE_LINK };

/* What it is now; SHAPE_NONE: it is gone. */
enum node_shape node_shape(const struct sim *sim, struct node n);

struct dev *node_dev(const struct sim *sim, struct node n);
struct vgpu *node_vgpu(const struct sim *sim, struct node n);
const struct vgpu_type *node_type(const struct sim *sim, struct node n);

/* The path from the root of the mount, without a leading slash. */
void node_path(const struct sim *sim, struct node n, char *buf, size_t size);

/* 0 or -ENOENT. */
int tree_lookup(struct sim *sim, struct node dir, const char *name,
		struct node *out);
struct node tree_parent(const struct sim *sim, struct node n);

/* Calls @fn for each entry until it returns non-zero. */
typedef int tree_fn(void *arg, const char *name, struct node n);
int tree_each(const struct sim *sim, struct node dir, tree_fn *fn, void *arg);

/* Where a link leads, relative as the kernel writes it. 0 or -ENOENT. */
int tree_readlink(const struct sim *sim, struct node n, char *buf, size_t size);

#endif
