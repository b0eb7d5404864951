/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * One `pve-vgpu set`: what is read, what is found, and what is to change. The
 * steps are called in this order; none but set_apply() changes anything.
 */
#ifndef SET_JOB_H
#define SET_JOB_H

#include "catalog.h"
#include "config_change.h"
#include "ctx.h"
#include "intent_store.h"
#include "inventory.h"
#include "mode_choice.h"
#include "set_options.h"
#include "settings.h"
#include "vm_file.h"

struct set_job {
	struct ctx *c;
	struct set_asked *asked;	/* grows by what `set` itself records */
	struct vm_file vm;
	char *text;			/* of the settings as they are */
	size_t len;
	struct settings before, after;
	const struct vm_settings *old;	/* NULL: no intent for any index */
	const struct vm_settings *vs;	/* as it is to be */
	bool afresh;			/* the section was another VM's */
	char *volid;			/* our hookscript */
	struct catalog catalog;
	struct inventory inv;
	const struct vgpu_type **types;	/* the first known choice of each intent of vs */
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

/* The mappings that the config's new lines name, made or extended for this node. Lines of what is done go into said. */
int set_mappings(struct set_job *j, struct strlist *said, struct err *e);

/*
 * Whether the volume is our hookscript, as far as this node can tell: a
 * storage's path is the same on every node.
 */
bool hookscript_is_ours(const struct root *r, const char *volid);

#endif
