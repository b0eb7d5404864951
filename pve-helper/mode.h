/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * How a vGPU is to reach QEMU, checked at every start: nodes of a cluster
 * differ, and a rollback or a hand's edit parts the VM's config from its intent.
 */
#ifndef MODE_H
#define MODE_H

#include "attach.h"
#include "inventory.h"
#include "plan.h"
#include "root.h"
#include "settings.h"
#include "vmconf.h"

/*
 * How hostpci<index> is attached by `mode =`, or as the config has it where the
 * VM has none. Returns 0; -EINVAL where config and mode do not agree, or the
 * vGPU would be attached twice; -ENODEV where this node lacks what the mode
 * needs: all with the command that mends it.
 */
int mode_attach(const struct root *r, const struct vm_settings *vs, const struct vmconf *conf,
		const struct vm_intent *in, enum attach *how, struct err *e);

/*
 * Args name an mdev: keep w to GPUs that have them. -ENODEV where no GPU of
 * this node could have one of w's types as an mdev.
 */
int mode_keep_to_mdev(const struct vm_settings *vs, const struct vm_intent *in,
		      const struct inventory *inv, struct want *w, struct err *e);

/* Settings that this way of attaching cannot give QEMU: a line each. */
void mode_note_lost(const struct vm_settings *vs, const struct vmconf *conf,
		    const struct vm_intent *in, enum attach how, struct strlist *notes);

/* The command that gives the VM this intent (again), "pve-vgpu set 100 A40-24A"; the caller frees it. */
char *mode_set_command(const struct vm_settings *vs, const struct vm_intent *in);

#endif
