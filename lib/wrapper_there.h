/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Whether the wrapper stands in front of QEMU on this node. */
#ifndef WRAPPER_THERE_H
#define WRAPPER_THERE_H

#include <stdbool.h>

#include "root.h"

#define WRAPPER_PACKAGE	"pve-vgpu-qemu-wrapper"
#define WRAPPER_KVM	"usr/bin/kvm"			/* what PVE runs: qemu-server src/PVE/QemuServer/Helpers.pm */
#define WRAPPER_PROGRAM	"usr/lib/pve-vgpu/qemu-wrapper"
#define WRAPPER_DIVERTED "usr/bin/kvm.distrib"		/* QEMU, moved aside by the package's diversion */

/*
 * Whether /usr/bin/kvm is the wrapper and QEMU is there to be run by it. Files
 * are compared as they are found behind links, inside the root.
 */
bool wrapper_there(const struct root *r);

#endif
