/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a node has: GPUs, the parent devices on them, the types they offer and
 * the vGPUs that exist or are claimed. Plain structs and questions that can be
 * answered from them; nothing here opens a file.
 */
#ifndef INVENTORY_H
#define INVENTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "bdf.h"
#include "strlist.h"
#include "vgpu_type.h"

enum framework {
	FRAMEWORK_MDEV,		/* the kernel's mdev bus */
	FRAMEWORK_NVIDIA_VFIO,	/* NVIDIA's vendor VFIO files, kernel 6.8 and later */
	FRAMEWORK_COUNT,	/* how many there are; none of them */
};

const char *framework_name(enum framework f);
/* 0, or -EINVAL for a name that is none. */
int framework_parse(const char *name, enum framework *out);

#define UUID_TEXT_LEN	37	/* 36 characters and a NUL */

/* The UUID qemu-server gives a VM's mdev: index and vmid in decimal (PCI/Mdev.pm). */
void vgpu_pve_uuid(unsigned int vmid, unsigned int index, char out[static UUID_TEXT_LEN]);

/* The reverse. False where the text is not of that pattern. */
bool vgpu_pve_uuid_parse(const char *uuid, unsigned int *vmid, unsigned int *index);

enum vgpu_owner {
	OWNER_UNKNOWN,		/* neither a record of ours nor a trace of qemu-server's */
	OWNER_VM,		/* a run state of ours */
	OWNER_STANDALONE,	/* made by `pve-vgpu create` */
	OWNER_PVE,		/* qemu-server's UUID pattern or reservation, no record of ours */
};

/* One vGPU: made, or claimed and about to be. Strings are owned. */
struct vgpu {
	enum framework framework;
	bool on_gpu;			/* gpu and parent are set */
	struct bdf gpu;			/* physical function */
	struct bdf parent;		/* what it is made on: a VF, or the PF without SR-IOV */
	char *parent_name;		/* the parent as sysfs names it; not always a PCI address */
	char *type;			/* key of its type, "nvidia-575" */
	unsigned int number;		/* 575, or 0 */
	char *name;			/* friendly name; NULL where unknown */
	unsigned int framebuffer_mib;	/* 0: unknown */
	char uuid[UUID_TEXT_LEN];	/* "" on vendor VFIO */
	enum vgpu_owner owner;
	unsigned int vmid;		/* 0: unknown */
	unsigned int index;		/* of hostpci<index> */
	bool exists;			/* seen in sysfs; else only claimed */
	bool made;			/* its record says so; on vendor VFIO sysfs is not always asked */
};

void vgpu_copy(struct vgpu *to, const struct vgpu *from);
void vgpu_clear(struct vgpu *v);

/* A type as one GPU offers it. */
struct offer {
	const struct vgpu_type *type;	/* borrowed from the catalog */
	bool known;			/* available was found out */
	unsigned int available;		/* how many more fit on the GPU now */
	bool at_least;			/* more may fit: how many no one tells */
	bool yes;			/* the driver takes one more, claims apart */
};

/* A MIG GPU instance. */
struct gpu_instance {
	unsigned int id;
	char *profile;			/* "1g.5gb+me", owned; NULL: unknown */
	unsigned int vgpus;		/* those known to be in it */
	unsigned int mib;		/* the size of those; 0: none, or unknown */
};

struct gpu {
	struct bdf addr;		/* physical function */
	enum framework framework;
	bool sriov;			/* parents are its VFs, and each holds one vGPU */
	struct bdf *parents;		/* those with a driver first, in the order of the virtfn links;
					   the PF itself without SR-IOV */
	size_t nparents;
	size_t driverless;		/* the last ones of parents: VFs that no driver is bound to yet */
	bool unbound;			/* that is all of them: nothing can be made */
	struct offer *offers;
	size_t noffers;
	unsigned int distance;		/* from the NUMA nodes that the VM is bound to; 0 for all: not measured */
	bool seen;			/* offers were read, now or before; else they are assumed */
	bool asked;			/* the driver was asked for them in this run */
	struct gpu_instance *instances;	/* as far as known, in order of id */
	size_t ninstances;
	bool all_instances;		/* those are all there are */
};

struct inventory {
	struct gpu *gpus;		/* in order of address */
	size_t ngpus;
	struct vgpu *vgpus;
	size_t nvgpus;
	struct strlist problems;	/* what could not be read, one finished line each */
	struct strlist foreign;		/* PCI functions on the mdev bus whose mdevs are no PCI devices */
};

void inventory_free(struct inventory *inv);
#define AUTO_INVENTORY __attribute__((cleanup(inventory_free)))

struct gpu *inventory_gpu(const struct inventory *inv, const struct bdf *pf);
/* The GPU that a parent device belongs to, or NULL. */
struct gpu *inventory_gpu_of(const struct inventory *inv, const struct bdf *parent);
struct vgpu *inventory_by_uuid(const struct inventory *inv, const char *uuid);
/* The first vGPU on a parent, or NULL. */
struct vgpu *inventory_on(const struct inventory *inv, const struct bdf *parent);

/* Append a copy of v. */
struct vgpu *inventory_add(struct inventory *inv, const struct vgpu *v);
/* Drop one vGPU; the others keep their order. */
void inventory_drop(struct inventory *inv, size_t i);
/* Drop all vGPUs, keep GPUs and offers. */
void inventory_forget_vgpus(struct inventory *inv);

struct offer *gpu_offer(const struct gpu *g, const struct vgpu_type *t);
/* Drop what is known of the GPU's instances. */
void gpu_forget_instances(struct gpu *g);

/* Add a type to what the GPU offers, unless it is there. */
struct offer *gpu_add_offer(struct gpu *g, const struct vgpu_type *t);

/*
 * Let GPUs whose list was never read, or was read on vendor VFIO when one size
 * alone was left on it, offer what the others of their framework do. Most nodes
 * have boards of one kind; the driver has the last word before anything is made.
 */
void inventory_assume_offers(struct inventory *inv);

void inventory_sort_gpus(struct inventory *inv);

size_t gpu_count(const struct inventory *inv, const struct gpu *g);
/*
 * How many of them count against the type's limit: with a time-sliced one all, with a MIG-backed
 * one those of the same type, for beside others NVIDIA's driver asks for a free instance alone.
 */
size_t gpu_count_against(const struct inventory *inv, const struct gpu *g, const struct vgpu_type *t);
/* Frame buffer of all vGPUs on the GPU, MiB. */
unsigned int gpu_used_mib(const struct inventory *inv, const struct gpu *g);
/* Parents that can still take a vGPU: they hold none, and have a driver. */
size_t gpu_free_parents(const struct inventory *inv, const struct gpu *g);
bool parent_is_free(const struct inventory *inv, const struct gpu *g, const struct bdf *parent);
bool parent_has_driver(const struct gpu *g, const struct bdf *parent);

/*
 * The GPU's frame buffer as far as its types tell: the size of the largest
 * time-sliced one, MiB. 0 where that is not known: no type has a size, or the
 * list was only seen while a vGPU ran, and then it is of that vGPU's size alone.
 */
unsigned int gpu_total_mib(const struct gpu *g);

/*
 * How many vGPUs of this type the GPU holds at the most: max_instance, else
 * what fits by size; at most one for each VF. 0: unknown.
 */
unsigned int gpu_limit(const struct gpu *g, const struct vgpu_type *t);

/* Whether a time-sliced type meets vGPUs of another size on this GPU. */
bool gpu_holds_other_size(const struct inventory *inv, const struct gpu *g,
			  const struct vgpu_type *t);

/*
 * How many more vGPUs of this type the GPU takes now by NVIDIA's rules for
 * time-sliced types: all of one size, max_instance counted over the GPU, one
 * for each VF. Where no limit is known, what the parents allow, and 1 without
 * SR-IOV. What the driver says counts for more.
 */
unsigned int gpu_room_by_rule(const struct inventory *inv, const struct gpu *g,
			      const struct vgpu_type *t);

#endif
