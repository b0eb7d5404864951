/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A vGPU host without a GPU: what the files of this driver share.
 *
 * A board is a kind of card, a gpu one card of it, a func a PCI function that
 * vGPUs are made on (a VF, or the PF of a card without SR-IOV), a vgpu the VFIO
 * device that is opened.
 */
#ifndef SIM_H
#define SIM_H

#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/mdev.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/types.h>
#include <linux/uuid.h>
#include <linux/vfio.h>
#include <linux/workqueue.h>

#define CONFIG_SIZE	256
#define PARAMS_MAX	1024	/* of vgpu_params, with its NUL */

struct vgpu_type {
	u32 id;
	const char *name;
	u32 fb_mib, max_instance, num_heads, frl;
	const char *max_resolution;
};

struct board {
	u16 emulated;		/* QEMU's device id, vendor 1b36 */
	u16 device, subsystem;	/* NVIDIA's */
	bool sriov;
	u32 memory_mib;
	const struct vgpu_type *types;
	unsigned int n_types;
};

struct gpu {
	const struct board *board;
	u32 fb_mib;		/* size of what runs, unless sizes are mixed */
	u32 used_mib;
	unsigned int running;
	struct list_head instances;
};

/* What a vGPU takes of its GPU; no type: nothing. */
struct instance {
	const struct vgpu_type *type;
	u32 placement;		/* GiB */
	struct list_head in_gpu;
};

struct func {
	struct gpu *gpu;
	struct pci_dev *pdev;
	unsigned int running;
	bool leaving;		/* unbound: what goes now, nobody asked to go */
	struct vgpu *vendor;	/* vendor VFIO: the VF's one device */
	struct mdev_parent parent;
	struct func_type *types;
	struct mdev_type **mdev_types;
};

struct func_type {
	struct mdev_type mdev;
	char sysfs_name[12];
	const struct vgpu_type *type;
	struct func *func;
};

struct vgpu {
	struct vfio_device vdev;
	struct func *func;
	struct instance instance;
	bool opened;
	char params[PARAMS_MAX];
	u8 config[CONFIG_SIZE];
	/* Removal by the driver itself: due, if nothing happened since. */
	struct delayed_work clean;
	unsigned int events, clean_at_event;
	bool cleaning;
	char uuid[UUID_STRING_LEN + 1];
};

/* Under it: gpu, func->running and leaving, vgpu but for vdev and config. */
extern struct mutex sim_lock;

/* --- param.c ------------------------------------------------------------- */

enum refusal {
	R_NONE, R_SIZE, R_COUNT, R_MEMORY, R_BUSY, R_UNKNOWN, R_HELD, R_PARAMS,
	R_SRIOV, R_MAX
};

extern bool allow_numvfs, mixed_size;
extern unsigned int selfclean_ms;

bool framework_is_vendor(void);
int params_check(void);

/* The negative errno of a refusal: what a parameter says, or @def. */
int refusal_errno(enum refusal r, int def);

/* The errno armed for the next create, or 0. Disarms it. Needs sim_lock. */
int take_refusal(void);

/*
 * What creates or removes on a GPU that stands waits here, in state D as in a
 * driver that hangs. May not be called with sim_lock held.
 */
void stall_wait(struct func *f);

/* Whether the next create reports success and makes nothing. Disarms it. */
bool take_loss(void);

/* --- identity.c ---------------------------------------------------------- */

const struct board *identity_board(struct pci_dev *pf);
int identity_start(void);
void identity_stop(void);

/* --- room.c: what fits on a GPU. All need sim_lock ------------------------ */

unsigned int room_available(const struct func *f, const struct vgpu_type *t);

/* 0, or the errno that the driver refuses with. */
int room_take(struct func *f, const struct vgpu_type *t, struct instance *in);
void room_give(struct func *f, struct instance *in);
bool room_any_running(void);

/* --- vgpu.c --------------------------------------------------------------- */

extern const struct vfio_device_ops vgpu_mdev_ops, vgpu_vendor_ops;

struct vgpu *vgpu_alloc(struct func *f, struct device *dev,
			const struct vfio_device_ops *ops);
void vgpu_fill_config(struct vgpu *v);
int vgpu_set_params(struct vgpu *v, const char *text, size_t len);
ssize_t vgpu_show_params(struct vgpu *v, char *buf);

/* --- selfclean.c ------------------------------------------------------------ */

int selfclean_start(void);
void selfclean_stop(void);
void selfclean_init(struct vgpu *v);

/* Something happened to @v: what is due is not any more. Needs sim_lock. */
void selfclean_cancel(struct vgpu *v);

/* Removes @v after selfclean_ms, unless that is 0. Needs sim_lock. */
void selfclean_arm(struct vgpu *v);

/* --- mdev.c ----------------------------------------------------------------- */

int mdev_start(void);
void mdev_stop(void);
int mdev_add_func(struct func *f);
void mdev_remove_func(struct func *f);

/* --- vendor.c --------------------------------------------------------------- */

int vendor_add_func(struct func *f);
void vendor_remove_func(struct func *f);
void vendor_clean(struct vgpu *v);

/* --- main.c ------------------------------------------------------------------ */

/* From now on the kernel asks this driver what a write to sriov_numvfs does. */
void sriov_take_over(void);

/* --- ops.c ------------------------------------------------------------------- */

enum op_attr {
	OP_AVAILABLE_INSTANCES, OP_CREATABLE_VGPU_TYPES, OP_CREATE,
	OP_CURRENT_VGPU_TYPE, OP_DESCRIPTION, OP_GPU_INSTANCE_ID,
	OP_PLACEMENT_ID, OP_REMOVE, OP_SRIOV_NUMVFS, OP_VGPU_PARAMS,
	OP_WARM_UPDATE, OP_MAX
};

void ops_read(enum op_attr a);
void ops_write(enum op_attr a);
void ops_start(void);
void ops_stop(void);

#endif
