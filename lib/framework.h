/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One interface, one implementation for each vGPU framework. A framework says
 * which parents there are and which types each offers, what is active, and
 * creates and removes one vGPU. A node may have several frameworks at once.
 *
 * What goes through the driver (reading available_instances or
 * creatable_vgpu_types, writing create, remove or current_vgpu_type) is called
 * under the GPU's lock; listings and links need none.
 */
#ifndef FRAMEWORK_H
#define FRAMEWORK_H

#include <stdbool.h>

#include "catalog.h"
#include "inventory.h"
#include "root.h"

/* How far a refusal reaches: other places on the GPU may do better, or not. */
enum refused {
	REFUSED_PARENT,		/* this parent alone */
	REFUSED_GPU,		/* this type on the whole GPU */
};

struct framework_ops {
	enum framework id;

	/*
	 * Append the GPUs of this framework, their parents and what they offer.
	 * Reads names of types that the catalog does not know yet, and nothing
	 * else through attributes. What cannot be read goes into inv->problems.
	 */
	int (*discover)(const struct root *r, struct catalog *c, struct inventory *inv,
			struct err *e);

	/*
	 * Read what a GPU offers where discover() could not know it without
	 * asking the driver, or only from what was seen before. Sets g->asked. A GPU
	 * that lists nothing is success.
	 */
	int (*learn)(const struct root *r, struct catalog *c, const struct inventory *inv,
		     struct gpu *g, struct err *e);

	/*
	 * Append the vGPUs that exist. By links and listings where the framework
	 * allows it (mdev); otherwise one attribute for each parent (vendor VFIO).
	 */
	int (*active)(const struct root *r, const struct catalog *c, struct inventory *inv,
		      struct err *e);

	/*
	 * Whether one more vGPU of type t fits on the parent now, as the driver
	 * says. Returns how many (on SR-IOV 0 or 1; vendor VFIO: 1 for "yes"), or
	 * -errno. *reach tells how far a 0 counts.
	 */
	int (*room)(const struct root *r, struct catalog *c, const struct gpu *g,
		    const struct bdf *parent, const struct vgpu_type *t,
		    enum refused *reach, struct err *e);

	/*
	 * Make v (its parent, type, and uuid on mdev, are set) and see that it is
	 * there: a real host has answered a create with success and made nothing.
	 * -ENODATA: that is what happened.
	 * -ENOTRECOVERABLE: the driver took it, and whether v is there cannot be read;
	 * or it refused, and v is there. To be removed.
	 */
	int (*create)(const struct root *r, const struct vgpu *v, struct err *e);

	/*
	 * Whether v is there: 1, or 0 where there is nothing, or something that
	 * is not v (another type, another parent), or -errno.
	 */
	int (*present)(const struct root *r, const struct vgpu *v, struct err *e);

	/*
	 * Remove v. Its absence is success; where something else stands in its
	 * place it is left alone, which is success too. -EBUSY while it is open.
	 * Only called for a vGPU that no process has open; gives up with
	 * -ETIMEDOUT where the driver blocks for longer than timeout_ms.
	 */
	int (*remove)(const struct root *r, const struct vgpu *v, int timeout_ms, struct err *e);
};

const struct framework_ops *framework_ops(enum framework id);

extern const struct framework_ops framework_mdev, framework_nvidia_vfio;

/*
 * What a type is called on one parent of the mdev bus, "nvidia-575" or
 * "vfio-pci-575": the name that qemu-server wants in mdev=. The caller frees
 * *name. -ENOENT: the parent does not show the type.
 */
int mdev_type_dirname(const struct root *r, const struct bdf *parent, const char *key,
		      char **name, struct err *e);

/*
 * The parents of a GPU, but for this one, whose types bear the same driver's
 * name. The caller frees *like.
 */
void mdev_parents_like(const struct root *r, const struct gpu *g, const struct bdf *parent,
		       struct bdf **like, size_t *n);

/*
 * Note in inv->problems each GPU whose VFs show their types under the names of
 * different drivers. A look at each VF, no attribute: for those who show the
 * node.
 */
void mdev_check_drivers(const struct root *r, struct inventory *inv);

/*
 * What a vendor VF lists as creatable now, as types of the catalog, which
 * learns those that are new; g offers what the catalog has of it then. The
 * caller frees *types.
 */
int nvidia_vfio_listing(const struct root *r, struct catalog *c, struct gpu *g,
			const struct bdf *vf, const struct vgpu_type ***types, size_t *n,
			struct err *e);

/* The type set on the first VF of g that holds one, or 0: one attribute for each VF until then. */
unsigned int nvidia_vfio_first_on(const struct root *r, const struct gpu *g);

/*
 * The device of v in sysfs, "sys/bus/mdev/devices/<uuid>" or
 * "sys/bus/pci/devices/<VF>"; the caller frees it.
 */
char *vgpu_sysfs_path(const struct vgpu *v);

/*
 * Names below /dev/vfio by which a process can have v open: the IOMMU group and
 * "devices/vfioN". Returns 0 and possibly no name, where v is gone.
 */
int vgpu_vfio_names(const struct root *r, const struct vgpu *v, struct strlist *names);

/*
 * Write plugin parameters ("frame_rate_limiter=0,…") of a vGPU that nobody has
 * open yet, and read them back.
 */
int vgpu_write_params(const struct root *r, const struct vgpu *v, const char *params,
		      struct err *e);

#endif
