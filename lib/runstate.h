/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What pve-vgpu has taken in this boot: /run/pve-vgpu/<vmid>.json for a VM,
 * /run/pve-vgpu/standalone/<uuid or VF>.json for what `pve-vgpu create` made.
 *
 * A run state is written, whole and durable, before the first create; so
 * whatever exists that is ours is named in one. It is the claim that other
 * starts see, and all that post-stop needs.
 */
#ifndef RUNSTATE_H
#define RUNSTATE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "inventory.h"
#include "root.h"
#include "settings.h"

enum run_phase {
	RUN_CLAIMED,	/* places are taken, creates may be under way */
	RUN_CREATED,	/* all vGPUs are there */
	RUN_RUNNING,	/* post-start has seen the VM's QEMU */
};

/*
 * What the wrapper at /usr/bin/kvm is to do for one hostpci<N> when QEMU
 * starts.
 */
struct run_device {
	unsigned int index;
	bool add;		/* give QEMU the vGPU of this index; else qemu-server does */
	/* of the device that is added: */
	bool pcie;
	bool x_vga;		/* the VM's first display, with all that qemu-server makes of x-vga */
	enum display display;
	bool ramfb;
	char *params;		/* to be written to what qemu-server has made, or NULL */
};

struct runstate {
	unsigned int vmid;	/* 0: standalone */
	char id[UUID_TEXT_LEN];	/* standalone: UUID or VF, the file's name; set by runstate_add() */
	enum run_phase phase;
	int64_t claimed_ms;	/* clock_ms() of the claim */
	pid_t qemu;		/* from post-start on, else 0 */
	bool attached;		/* the VM's config attaches every vGPU by itself */
	/*
	 * exists: made; on vendor VFIO set before the create is begun, on a VF that
	 * was free then. A record without it proves nothing about what is on the VF.
	 */
	struct vgpu *vgpus;
	size_t nvgpus;
	enum vm_mode modes[SETTINGS_HOSTPCI_MAX];	/* how the vGPU of each index reaches QEMU, for those who look */
	char *uuid;		/* what the wrapper gives as -uuid where there is none, or NULL */
	char *smbios_uuid;	/* of the VM that the devices are for, or NULL: its config has none */
	bool no_vga;		/* a vGPU is the first display, and the config has no `vga` that says otherwise */
	struct run_device *devices;	/* what the wrapper is to do; mostly nothing */
	size_t ndevices;
};

void runstate_free(struct runstate *s);
#define AUTO_RUNSTATE __attribute__((cleanup(runstate_free)))

/* Append a copy of v. */
void runstate_add(struct runstate *s, const struct vgpu *v);
/* The vGPU of this hostpci index, or NULL. */
struct vgpu *runstate_index(const struct runstate *s, unsigned int index);
/* Append a copy of d. */
void runstate_add_device(struct runstate *s, const struct run_device *d);
/* The device of this hostpci index, or NULL. */
const struct run_device *runstate_device(const struct runstate *s, unsigned int index);
/* Forget all that the wrapper was to do. */
void runstate_clear_devices(struct runstate *s);
void runstate_drop(struct runstate *s, size_t i);

/*
 * Read the text of a record. Returns 0; -EBADMSG: it is damaged; -EPROTO: a newer
 * version of pve-vgpu wrote it. Release with runstate_free(). Pure.
 */
int runstate_parse(const char *text, size_t len, struct runstate *s);

/* The text of a record, as runstate_write() leaves it; the caller frees it. Pure. */
char *runstate_print(const struct runstate *s);

/*
 * Read one. Returns 0; -ENOENT: there is none; -EBADMSG: it is damaged;
 * -EPROTO: a newer version of pve-vgpu wrote it; or -errno.
 */
int runstate_read(const struct root *r, unsigned int vmid, struct runstate *s, struct err *e);

/*
 * Write it, or remove the file where neither a vGPU nor a device is left in it.
 * A device that is to be added and whose vGPU has no place now is left out.
 */
int runstate_write(const struct root *r, const struct runstate *s, struct err *e);

/* All run states of this node. What cannot be read becomes a line in problems. */
struct runstate_list {
	struct runstate *s;
	size_t n;
	size_t unread;		/* how many could not be read, whatever is in them */
};

int runstate_list_read(const struct root *r, struct runstate_list *l, struct strlist *problems,
		       struct err *e);
void runstate_list_free(struct runstate_list *l);
#define AUTO_RUNSTATE_LIST __attribute__((cleanup(runstate_list_free)))

/*
 * Put the claims into an inventory: a vGPU that is there gets its owner, one
 * that is not yet there takes its place all the same.
 */
void runstate_merge(const struct runstate *s, size_t n, struct inventory *inv);

/* What no run state names may bear qemu-server's UUID pattern: tell its owner. */
void runstate_mark_pve(struct inventory *inv);

#endif
