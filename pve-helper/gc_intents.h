/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Clear the settings of VMs that are no more. */
#ifndef GC_INTENTS_H
#define GC_INTENTS_H

#include "gc.h"

/*
 * Take the sections of VMs that no node of the cluster has out of
 * /etc/pve/pve-vgpu.conf; a container of that number is no VM. Lines that go
 * are told word for word, comments stay in the file. Left, with the reason
 * in rep: without quorum; where /etc/pve does not show this very node; a section
 * with a fault; and that of a VM that still has something here, which the intent
 * may prove to be its own, or whose lock PVE holds. With c->dry_run only says so.
 *
 * Nothing is locked or written where no VM is gone. Returns 0 or -errno.
 */
int gc_intents(const struct ctx *c, const struct settings *settings, struct gc_report *rep,
	       struct err *e);

#endif
