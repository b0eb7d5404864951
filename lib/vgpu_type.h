/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What a vGPU type is: its identity and the facts that do not change while a
 * driver is loaded.
 */
#ifndef VGPU_TYPE_H
#define VGPU_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#define VGPU_NAME_MAX	128	/* bytes of a driver's name or id; NVIDIA's have 64 at the most */

struct vgpu_type {
	char *key;			/* "nvidia-575", or what stands in sysfs: "i915-GVTg_V5_4" */
	unsigned int number;		/* 575; 0 where the id is not a number of NVIDIA's */
	char *full_name;		/* as the driver reports it: "NVIDIA A40-24A" */
	unsigned int framebuffer_mib;	/* 0: unknown */
	unsigned int max_instance;	/* per GPU; 0: unknown */
	bool described;			/* the driver's description was looked for */
};

/*
 * Take the name of a directory in mdev_supported_types apart.
 *
 * The directory is "<driver of the parent>-<id>"; on NVIDIA's boards the number
 * is the type whatever driver stands before it ("vfio-pci-575" and "pci-713"
 * were seen on real hosts), so key becomes "nvidia-575". Any other name is its
 * own key, made fit to be shown (text_clean()), and *number 0.
 * Source: Linux drivers/vfio/mdev/mdev_sysfs.c, mdev_type_add()
 *
 * Returns the key, which the caller frees.
 */
char *vgpu_type_key(const char *dirname, unsigned int *number);

/* The key of a type of NVIDIA's, "nvidia-<number>"; the caller frees it. */
char *vgpu_type_nvidia_key(unsigned int number);

/* The id without the driver: "575", "GVTg_V5_4". Points into t. */
const char *vgpu_type_id(const struct vgpu_type *t);

/*
 * The friendly name: the last blank-separated word of the reported name
 * ("A40-24A", "DC-48C", "GVTg_V5_4"). Points into t.
 */
const char *vgpu_type_name(const struct vgpu_type *t);

/*
 * Read framebuffer_mib and max_instance out of a driver's description, as
 *   num_heads=4, frl_config=60, framebuffer=24576M, max_resolution=7680x4320, max_instance=2
 * Fields that are not known, and descriptions of another shape, are passed over.
 */
void vgpu_type_describe(struct vgpu_type *t, const char *description);

/*
 * The frame buffer that NVIDIA's name for a type states, in MiB: GB * 1024,
 * 512 for the types of 0 GB, 0 where the name states none.
 */
unsigned int vgpu_type_mib_of_name(const char *full_name);

/*
 * Whether the type lives in a MIG GPU instance, as its name tells: two numbers
 * with the board before them ("A100-1-5C", "DC-1-24Q").
 */
bool vgpu_type_is_mig(const struct vgpu_type *t);

/* How much of the full name is the board's: "NVIDIA A40" of "NVIDIA A40-24A". */
size_t vgpu_type_board_len(const struct vgpu_type *t);

/*
 * Whether both are types of one board, as their names tell: what stands before
 * the size is the same ("NVIDIA A40-24A" and "NVIDIA A40-2B").
 */
bool vgpu_type_same_board(const struct vgpu_type *a, const struct vgpu_type *b);

void vgpu_type_free(struct vgpu_type *t);

#endif
