/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What VMs are to get, how their configs carry it, what they have, and what is
 * wrong: facts from files alone, for `show`.
 */
#ifndef SHOW_H
#define SHOW_H

#include "attach.h"
#include "catalog.h"
#include "cluster.h"
#include "ctx.h"
#include "mapping.h"
#include "runstate.h"
#include "settings.h"
#include "storage.h"
#include "vmconf.h"
#include "vmconf_pending.h"
#include "vmproc.h"

/* What a problem is about. */
enum show_about {
	SHOW_FILES,			/* something of the VM's could not be read */
	SHOW_SETTINGS,			/* its section */
	SHOW_GONE,			/* there is no such VM */
	SHOW_IDENTITY,			/* the intent is for another VM */
	SHOW_CARRIED,			/* its args name a vGPU that it has no intent for */
	SHOW_HOOK,			/* the hookscript */
	SHOW_CONFIG,			/* how its config attaches its vGPUs: no start */
	SHOW_LOST,			/* a setting that does not reach QEMU */
	SHOW_HAS,			/* what it has now */
};

struct show_problem {
	enum show_about about;
	char *what;
	char *mend;			/* a command, or what to do; NULL: the first says it */
};

/* One hostpci<N> that the VM is to get or has on record. */
struct show_slot {
	unsigned int index;
	const struct vm_intent *intent;	/* NULL: none */
	enum attach how;
	const struct vgpu *has;		/* on record, or made by qemu-server; NULL: nothing */
	bool there;			/* it is made */
	bool in_use;
};

enum show_identity {
	IDENTITY_NONE,			/* the intent is for whoever has the vmid */
	IDENTITY_MATCHES,
	IDENTITY_DIFFERS,
	IDENTITY_UNKNOWN,		/* there is no config to compare it with */
};

enum show_hook {
	HOOK_NONE,
	HOOK_OURS,
	HOOK_OTHER,
	HOOK_UNKNOWN,			/* its volume could not be looked at */
};

struct show_vm {
	unsigned int vmid;
	const char *node;		/* NULL: there is no such VM in the cluster */
	bool here;			/* on this node: what it has is known */
	const struct vm_settings *vs;	/* its section, faulty or not; NULL: none */
	bool has_conf;
	struct vmconf conf;		/* as its next start has it */
	struct pending pending;		/* where that is not what it has now */
	enum show_identity identity;
	enum show_hook hook;
	pid_t qemu;
	struct runstate state;
	struct show_slot *slots;	/* by ascending index */
	size_t nslots;
	struct show_problem *problems;
	size_t nproblems;
};

struct show {
	struct ctx *c;
	struct settings settings;
	struct cluster_guests guests;
	char *node;			/* this one */
	struct storage_list storages;
	struct mapping_list mappings;
	struct catalog catalog;
	struct vfio_users users;
	struct inventory taken;		/* what is on the node, read where a VM has no record of what it is to have */
	bool has_taken;
	bool devices;			/* this node shows its PCI devices; else that one is missing means nothing */
	struct show_vm *vms;
	size_t n;
};

/*
 * Gather what there is of one VM, or, with vmid 0, of all that have a section
 * in the settings, in order of vmid. Returns 0; -ENOENT: the VM is neither in
 * the cluster nor in the settings; or -errno. Release with show_free().
 */
int show_gather(struct ctx *c, unsigned int vmid, struct show *out, struct err *e);

/* Append what is wrong with a VM. Called by show_gather(). */
void show_check(const struct show *s, struct show_vm *vm);

void show_free(struct show *s);
#define AUTO_SHOW __attribute__((cleanup(show_free)))

/* Print, as text or JSON. One VM is told at length. */
void show_print(const struct show *s, bool one);

#endif
