/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the wrapper at /usr/bin/kvm is to do for a VM, from its intent. Pure. */
#ifndef DEVICES_H
#define DEVICES_H

#include "intent.h"
#include "runstate.h"

/*
 * Set the devices of now, and uuid, no_vga and the modes: a device for each vGPU
 * that the wrapper adds, and one for each that qemu-server makes itself and
 * whose params are still to be written then.
 */
void devices_set(const struct vm_settings *vs, const struct vmconf *conf,
		 const struct want_list *l, struct runstate *now);

#endif
