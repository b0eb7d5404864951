/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vm_uuid.h"

#include "cleanup.h"
#include "inventory.h"
#include "parse.h"
#include "vgpu_type.h"
#include "xalloc.h"

/* 0 to 15 as text is sorted */
static const unsigned int in_order[VMCONF_HOSTPCI_MAX] = {
	0, 1, 10, 11, 12, 13, 14, 15, 2, 3, 4, 5, 6, 7, 8, 9,
};

char *vm_smbios_uuid(const struct vmconf *c)
{
	AUTO_FREE char *uuid = c->smbios1 ? vmconf_property(c->smbios1, "uuid", NULL) : NULL;

	return uuid && is_uuid(uuid) ? take_ptr(uuid) : NULL;
}

void vm_uuid_mark(const struct vmconf *c, bool nvidia[static VMCONF_HOSTPCI_MAX])
{
	for (unsigned int i = 0; i < VMCONF_HOSTPCI_MAX; i++) {
		AUTO_FREE char *key = NULL;
		unsigned int number = 0;

		if (c->hostpci[i].mdev)
			key = vgpu_type_key(c->hostpci[i].mdev, &number);
		if (number)
			nvidia[i] = true;
	}
}

char *vm_uuid(const struct vmconf *c, unsigned int vmid,
	      const bool nvidia[static VMCONF_HOSTPCI_MAX])
{
	for (size_t i = 0; i < ARRAY_SIZE(in_order); i++) {
		char uuid[UUID_TEXT_LEN], *smbios;

		if (!nvidia[in_order[i]])
			continue;
		smbios = vm_smbios_uuid(c);
		if (smbios)
			return smbios;
		vgpu_pve_uuid(vmid, in_order[i], uuid);
		return xstrdup(uuid);
	}
	return NULL;
}
