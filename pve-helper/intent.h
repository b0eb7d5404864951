/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * From a VM's intent and config to what is wanted on this node. Used by the
 * hook and by `plan`, so that both see the same.
 */
#ifndef INTENT_H
#define INTENT_H

#include "attach.h"
#include "catalog.h"
#include "ctx.h"
#include "plan.h"
#include "settings.h"
#include "vmconf.h"

/* A vGPU whose place qemu-server picks, and which it makes. */
struct left {
	unsigned int index;
	const char *mapping;		/* of the VM's config, borrowed */
};

struct want_list {
	struct want *w;			/* by index, but those with few places to choose from come first */
	enum attach *attach;		/* one for each want */
	size_t n;
	struct left *left;		/* what is wanted and left to qemu-server */
	size_t nleft;
	struct bdf *gpus;		/* what 'gpu =' stands for here */
	size_t ngpus;
	struct bdf *others;		/* addresses in the config's hostpci<N>: no place for what names none itself */
	size_t nothers;
	struct strlist notes;		/* what the admin should know, finished lines */
};

/*
 * Everything that is wanted for the VM. Choices that this node does not know
 * are passed over with a note, as long as one is left. An index whose place
 * qemu-server picks itself (a mapping) is left to it, with a note.
 * vs and conf are borrowed and must outlive *out; release with want_list_free().
 */
int intent_wants(const struct ctx *c, const struct vm_settings *vs, const struct vmconf *conf,
		 struct catalog *catalog, struct inventory *inv, const char *who,
		 int64_t deadline, struct want_list *out, struct err *e);

/*
 * Append the GPUs of these boards to *gpus, which the caller frees. A board
 * that this node does not have goes into notes, a line each.
 */
void intent_boards(const struct ctx *c, const struct strlist *boards, struct catalog *catalog,
		   struct inventory *inv, const char *who, int64_t deadline,
		   struct bdf **gpus, size_t *n, struct strlist *notes);

/*
 * Whether the intent is this VM's: a vmid is given again once its VM is gone.
 * Returns 0, or -EPERM with the command that makes it right.
 */
int intent_check_identity(const struct vm_settings *vs, const struct vmconf *conf, struct err *e);

void want_list_free(struct want_list *l);
#define AUTO_WANTS __attribute__((cleanup(want_list_free)))

/*
 * Whether the VM's config carries in its args a vGPU of ours that the VM has no
 * intent for: another VM's, as a clone does, or an index of its own that is in
 * no section any more, as after a rollback. Returns 0, or -EPERM with what
 * mends it.
 */
int intent_check_carried(const struct ctx *c, const struct settings *settings,
			 unsigned int vmid, const struct vmconf *conf, struct err *e);

#endif
