/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The -uuid that QEMU is given for a VM with an NVIDIA vGPU. Pure. */
#ifndef VM_UUID_H
#define VM_UUID_H

#include <stdbool.h>

#include "vmconf.h"

/* The SMBIOS uuid of the config, as written; NULL: it has none. The caller frees it. */
char *vm_smbios_uuid(const struct vmconf *c);

/* Set nvidia[N] for each hostpci<N> of the config that is a vGPU of NVIDIA's, by its mdev=. */
void vm_uuid_mark(const struct vmconf *c, bool nvidia[static VMCONF_HOSTPCI_MAX]);

/*
 * As qemu-server has it, so that the guest sees the same in every mode: the
 * SMBIOS uuid where the config has one, else the UUID of the first NVIDIA vGPU.
 * "First" is by the text "hostpci<N>": hostpci10 comes before hostpci2.
 * nvidia: the indices that are vGPUs of NVIDIA's, whoever attaches them.
 * Returns what the caller frees; NULL where there is none.
 * Source: qemu-server src/PVE/QemuServer.pm, vm_start_nolock()
 */
char *vm_uuid(const struct vmconf *c, unsigned int vmid,
	      const bool nvidia[static VMCONF_HOSTPCI_MAX]);

#endif
