/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * After a driver upgrade: the ids that stand in the configs of this node's VMs
 * against those that the types of their intents have now. What the config of a
 * VM without an intent has is never touched, and neither is a line that an
 * intent does not speak of.
 */
#ifndef RECONCILE_H
#define RECONCILE_H

#include "catalog.h"
#include "cluster.h"
#include "config_change.h"
#include "ctx.h"
#include "inventory.h"
#include "mapping.h"
#include "settings.h"
#include "vm_file.h"

/* Who holds a GPU's lock meanwhile. */
#define RECONCILE_WHO	"reconcile"

/* What the node has, read once for all VMs. */
struct node_now {
	const struct ctx *c;
	char *name;			/* of the node */
	struct cluster_guests guests;
	struct settings settings;
	struct catalog catalog;
	struct catalog before;		/* as it was saved last, maybe under another driver */
	struct inventory inv;
	struct mapping_list mappings;
	struct strlist checked;		/* mappings that were looked at */
	int64_t deadline;
};

int node_now_read(const struct ctx *c, struct node_now *n, struct err *e);
void node_now_free(struct node_now *n);
#define AUTO_NODE_NOW __attribute__((cleanup(node_now_free)))

/* Whether the VM is on this node. */
bool node_now_has(const struct node_now *n, unsigned int vmid);

struct verdict {
	struct config_changes changes;	/* of the VM's config */
	struct strlist said;		/* what the admin should know, finished lines */
	struct strlist faults;		/* what speaks against the next start, the same */
};

/*
 * What has to be done for a VM. Counted is what its config has from the next
 * start on. Mappings that it uses are mended at once.
 */
void reconcile_vm(struct node_now *n, const struct vm_settings *vs, const struct vm_file *vm,
		  struct verdict *out);
void verdict_free(struct verdict *v);
#define AUTO_VERDICT __attribute__((cleanup(verdict_free)))

/* Look at the mapping of a vGPU of this type, once a run, and mend its entries for this node. */
void reconcile_mapping(struct node_now *n, const char *id, const struct vgpu_type *t,
		       struct verdict *v);

/*
 * What mdev= has to be for the type on this node's devices of the mapping: the
 * name that the config has, where one of them calls the type so; else what the
 * first one calls it; else the type's key. The caller frees it.
 */
char *reconcile_mapping_name(const struct node_now *n, const char *id, const struct vgpu_type *t,
			     const char *now);

#endif
