/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "attach.h"

#include <string.h>

#include "cleanup.h"
#include "root.h"
#include "xalloc.h"

int attach_args_uuids(const struct vmconf *conf,
		      int (*found)(void *arg, unsigned int vmid, unsigned int index),
		      void *arg)
{
	/* sysfsdev=/sys/bus/mdev/devices/<uuid>, or /sys/bus/pci/devices/<bdf>/<uuid>. */
	static const char option[] = "sysfsdev=";

	for (const char *s = conf->args; s && (s = strstr(s, option)); s++) {
		size_t len = strcspn(s, ", \t\"'");
		unsigned int vmid, index;

		while (len && s[len - 1] == '/')
			len--;

		AUTO_FREE char *path = xstrndup(s, len);

		if (vgpu_pve_uuid_parse(path_base(path), &vmid, &index)) {
			int rc = found(arg, vmid, index);

			if (rc)
				return rc;
		}
	}
	return 0;
}

struct pair {
	unsigned int vmid, index;
};

static int is_pair(void *arg, unsigned int vmid, unsigned int index)
{
	const struct pair *p = arg;

	return p->vmid == vmid && p->index == index;
}

bool attach_in_args(const struct vmconf *conf, unsigned int vmid, unsigned int index)
{
	struct pair p = { vmid, index };

	return attach_args_uuids(conf, is_pair, &p);
}

enum attach attach_kind(const struct vmconf *conf, unsigned int vmid, unsigned int index)
{
	const struct hostpci *h = index < VMCONF_HOSTPCI_MAX ? &conf->hostpci[index] : NULL;

	if (h && h->present) {
		if (h->bad || !h->mdev)
			return ATTACH_CONFLICT;
		if (h->mapping)
			return ATTACH_MAPPING;
		return h->has_addr ? ATTACH_ADDRESS : ATTACH_CONFLICT;
	}
	return attach_in_args(conf, vmid, index) ? ATTACH_ARGS : ATTACH_NONE;
}

enum vm_mode attach_mode(enum attach how)
{
	switch (how) {
	case ATTACH_ADDRESS:
	case ATTACH_MAPPING:
		return MODE_NATIVE;
	case ATTACH_ARGS:
		return MODE_ARGS;
	case ATTACH_WRAPPER:
		return MODE_WRAPPER;
	case ATTACH_NONE:
	case ATTACH_CONFLICT:
		break;
	}
	return MODE_UNSET;
}
