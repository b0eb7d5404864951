/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The simulated node: its devices, its vGPUs and the driver's rules.
 *
 * Pure C: no file system, no clock, no lock. The caller holds sim->lock
 * around every call but those on data that never change after loading.
 * Functions return 0 or -errno, as the driver would to sysfs.
 */
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UUID_LEN	36
#define PARAMS_MAX	1024
#define CPUS_PER_NODE	16

enum framework { FW_MDEV, FW_VENDOR, FW_VF, FW_NONE };
enum dev_kind { DEV_PORT, DEV_PF, DEV_VF, DEV_OTHER };
enum { BUS_PCI, BUS_MDEV, BUS_FIRST_OTHER };

/* Refusals whose errno the node file may choose ("errno": {"size": …}). */
enum refusal {
	R_NONE,
	R_SIZE,		/* another size runs on the GPU */
	R_COUNT,	/* max_instance reached, or the pool is empty */
	R_MEMORY,	/* mixed sizes: the frame buffer does not suffice */
	R_BUSY,		/* the VF has a vGPU already */
	R_UNKNOWN,	/* no such type id */
	R_MIG,		/* MIG type without MIG, or the other way round */
	R_INSTANCE,	/* no GPU instance with that profile and room */
	R_HELD,		/* vendor: change of a vGPU that is open */
	R_PARAMS,	/* vgpu_params of a vGPU that is open */
	R_SRIOV,	/* the driver refuses to change sriov_numvfs */
	R_MAX
};

struct vgpu_type {
	const char *id;			/* what follows "<driver>-" */
	unsigned int number;		/* the same as a number; 0: it is none */
	const char *name;		/* may be NULL */
	const char *description;	/* may be NULL */
	unsigned int fb_mib;
	unsigned int max_instance;
	unsigned int gi_slices;		/* 0: time-sliced */
	const char *gi_profile;		/* NULL: the slices tell */
	unsigned int max_per_gi;
};

struct type_set {
	struct vgpu_type *v;
	unsigned int n;
	bool pool;	/* ids are no numbers: all types share one pool */
	unsigned int hidden;	/* so many, while none is shown */
};

struct gpu_instance {
	unsigned int id, slices, memory_mib;
	const char *profile;
	unsigned int running, fb_mib, used_mib;
};

/* A physical GPU, or another mdev parent: what the rules are kept against. */
struct gpu {
	struct dev *pf;
	struct dev *vf;			/* totalvfs of them, in order */
	enum framework framework;
	unsigned int totalvfs, numvfs, vf_offset;
	unsigned int memory_mib;
	bool mig, mixed_size, creatable_header;
	bool ari;			/* the port above routes by it */
	const char *device_api;
	const char *mdev_driver;
	struct type_set types;
	struct gpu_instance *gi;
	unsigned int n_gi;
	int err[R_MAX];			/* 0: the default */
	int file_err[R_MAX];		/* what the node file says */
	unsigned int running, fb_mib, used_mib;
	double pool_used;
};

struct dev {
	const char *name;		/* BDF, or the last part of the path */
	const char *path;		/* from the root of sysfs */
	enum dev_kind kind;
	unsigned int bus;
	uint16_t vendor, device, sub_vendor, sub_device;
	uint32_t class;
	uint8_t revision;
	int numa_node;
	int driver;			/* index into sim->drivers, -1: none */
	int group;			/* -1: none */
	int vfio;			/* N of vfio-dev/vfioN, -1: none */
	struct gpu *gpu;		/* NULL: a bridge */
	unsigned int vf_index;
	bool vanished;
	struct vgpu *vgpus;
	char params[PARAMS_MAX];	/* vendor VFs */
	int parent_dir, parent_dev;	/* one of them, the other is -1 */
	struct dev *sibling, *child, *hash_next;
};

struct vgpu {
	uint32_t serial;		/* never used again */
	char uuid[UUID_LEN + 1];	/* empty: made through a vendor VF */
	struct dev *dev;
	const struct vgpu_type *type;
	struct gpu_instance *gi;
	unsigned int placement;
	bool held;
	bool removing;			/* `remove` was written while it is held */
	uint64_t clean_at;		/* ms; 0: the driver does not tidy up */
	int group, vfio;
	char params[PARAMS_MAX];
	struct vgpu *dev_next, *next, *serial_next, *uuid_next;
};

struct driver {
	const char *name;
	unsigned int bus;
	int module;			/* -1: built in */
};

struct module {
	const char *name;
	const char *version;
};

/* What a directory that is not a device's own lists besides its children. */
enum dir_role {
	ROLE_NONE, ROLE_BUS_DEVICES, ROLE_DRIVERS, ROLE_MDEV_DEVICES,
	ROLE_MDEV_BUS, ROLE_IOMMU_GROUPS, ROLE_MODULES, ROLE_NODES,
	ROLE_CLASS_IOMMU, ROLE_CLASS_VFIO_DEV, ROLE_SIM,
};

struct dir {
	const char *name, *path;
	int parent;
	enum dir_role role;
	unsigned int bus;
	struct dev *child;
};

/* Who owns an iommu group, or a vfio number; both NULL: free. */
struct slot {
	struct dev *dev;
	struct vgpu *vgpu;
};

struct slots {
	struct slot *v;
	size_t n;
};

#define HASH_SIZE 4096

struct sim {
	pthread_mutex_t lock;
	unsigned int kernel_major, kernel_minor;
	const char *nvidia_driver;
	void *source;			/* the file's JSON, which owns strings */
	bool iommu;
	int n_numa;
	struct dev *devs;
	size_t n_devs;
	struct gpu *gpus;
	size_t n_gpus;
	struct driver *drivers;
	int n_drivers;
	struct module *modules;
	int n_modules;
	const char **buses;
	unsigned int n_buses;
	struct dir *dirs;
	int n_dirs;
	int dir_bus_mdev, dir_dmar, dir_class_vfio_dev;
	struct slots groups, vfios;
	struct vgpu *vgpus;
	uint32_t last_serial;
	unsigned int cleaning;		/* vGPUs with clean_at set */
	struct dev *by_name[HASH_SIZE];
	struct vgpu *by_serial[HASH_SIZE];
	struct vgpu *by_uuid[HASH_SIZE];
};

unsigned int hash_str(const char *s);

/* Building, before anything runs. */
int slot_take(struct slots *s, struct dev *dev, struct vgpu *vgpu);
void model_add_name(struct sim *sim, struct dev *dev);

/* Looking. */
size_t dev_index(const struct sim *sim, const struct dev *dev);
bool dev_visible(const struct dev *dev);
const char *dev_driver(const struct sim *sim, const struct dev *dev);
const char *dev_type_prefix(const struct sim *sim, const struct dev *dev);
bool dev_is_mdev_parent(const struct dev *dev);
bool dev_is_vendor(const struct sim *sim, const struct dev *dev);
struct dev *model_find_dev(const struct sim *sim, const char *name);
struct vgpu *model_find_serial(const struct sim *sim, uint32_t serial);
struct vgpu *model_find_uuid(const struct sim *sim, const char *uuid);
const struct vgpu_type *model_find_type(const struct gpu *gpu,
					unsigned int number);

/* By the UUID of an mdev, or the BDF of what has just one vGPU. */
struct vgpu *model_find_vgpu(const struct sim *sim, const char *name);

/* Text to UUID as the kernel's guid_parse() does: 36 characters, any case. */
bool uuid_parse_text(const char *text, char out[UUID_LEN + 1]);

/* "size", "count", … as node files spell them; NULL ends the list. */
extern const char *const refusal_keys[R_MAX + 1];

/* The rules. */
int refusal_errno(const struct gpu *gpu, enum refusal r);
unsigned int model_available(const struct dev *dev, const struct vgpu_type *t);

/* @uuid: "" for a vendor VF. */
int model_create(struct sim *sim, struct dev *dev, const struct vgpu_type *t,
		 const char *uuid, struct vgpu **out);
void model_destroy(struct sim *sim, struct vgpu *v);

/*
 * Somebody opened the vGPU or let it go. Let go, it is removed if that was
 * begun, or the driver will do that itself after @clean_ms (0: it will not).
 */
void model_set_held(struct sim *sim, struct vgpu *v, bool held, uint64_t now,
		    uint64_t clean_ms);

/* Removes what is due. Returns when to come again, 0: nothing waits. */
uint64_t model_tidy(struct sim *sim, uint64_t now);

int model_set_numvfs(struct sim *sim, struct dev *pf, unsigned int n);

/* The same whatever the driver says; vGPUs on the VFs go. -EBUSY while one is held. */
int model_force_numvfs(struct sim *sim, struct dev *pf, unsigned int n);

/* To a driver that the node has; NULL: to none. */
int model_bind(struct sim *sim, struct dev *dev, const char *driver);

void model_show_types(struct gpu *g, bool yes);
int model_vanish(struct sim *sim, struct dev *dev);
void model_unvanish_all(struct sim *sim);

#endif
