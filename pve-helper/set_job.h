/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One `pve-vgpu set`: what is read, what is found, and what is to change. The
 * steps are called in this order; none but set_mappings() changes anything.
 */
#ifndef SET_JOB_H
#define SET_JOB_H

#include "catalog.h"
#include "config_change.h"
#include "ctx.h"
#include "hookscript.h"
#include "intent_store.h"
#include "inventory.h"
#include "mode_choice.h"
#include "pci_tree.h"
#include "plan.h"
#include "set_options.h"
#include "settings.h"
#include "vm_file.h"

/* The types of one intent that this node knows, in order; never empty. */
struct known_types {
	const struct vgpu_type **t;
	size_t n;
};

struct set_job {
	struct ctx *c;
	struct set_asked asked;		/* grows by what `set` itself records */
	struct vm_file vm;
	char *text;			/* of the settings as they are */
	size_t len;
	struct settings before, after;
	const struct vm_settings *old;	/* the VM's section as it is, or NULL */
	const struct vm_settings *vs;	/* as it is to be */
	bool afresh;			/* the section was another VM's */
	char *volid;			/* our hookscript */
	enum hookscript hookscript;	/* that the VM has */
	struct catalog catalog;
	struct inventory inv;
	struct known_types *types;	/* of each intent of vs */
	struct bdf *gpus;		/* what 'gpu =' stands for here; none: any GPU */
	size_t ngpus;
	struct bdf_list others;		/* addresses that configs of this node name for vGPUs */
	bool *kept;			/* of each intent of vs: the line keeps its address */
	char *qemu_server;		/* version, or NULL */
	struct mode_choice mode;
	struct strlist mappings;	/* ids that are made or extended, one for each intent that takes one; "": kept as it is */
	struct config_changes changes;
	struct strlist notes;		/* what the admin should know, finished lines */
};

void set_job_free(struct set_job *j);

/* Settings, VM and hookscript; refuses what cannot be set at all. */
int set_read(struct set_job *j, struct err *e);
/* The section as it is to be: fills asked and vs. */
int set_intent(struct set_job *j, struct err *e);
/* Types, room and mode on this node. */
int set_node(struct set_job *j, struct err *e);
/* What has to change in the VM's config. */
int set_config(struct set_job *j, struct err *e);

/* What the intent wants, as the plan takes it; the choices are those that this node knows. Borrowed from j. */
struct want set_want(const struct set_job *j, size_t intent);

/* Which of the VM's lines keep their addresses: those count as taken for the lines that get one anew. */
void set_keep_addresses(struct set_job *j);

/*
 * "mapping=<id>" or an address for a native hostpci<N>, and the type's name there; what
 * the config's line h has and serves is kept. The caller frees both. Returns 0 or -errno.
 */
int set_place(struct set_job *j, size_t intent, const struct hostpci *h, char **where, char **mdev,
	      struct err *e);

/* Have the VM's args as the mode wants them. */
int set_args(struct set_job *j, struct err *e);

/* The mappings that the config's new lines name, made or extended for this node. Lines of what is done go into said. */
int set_mappings(struct set_job *j, struct strlist *said, struct err *e);

#endif
