/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "qemu_device.h"

#include "cleanup.h"
#include "xalloc.h"

static char *device(const struct qemu_device *d)
{
	AUTO_FREE char *slot = pci_slot_text(d->index, d->slot);
	AUTO_FREE char *what = *d->uuid ?
		xasprintf("sysfsdev=/sys/bus/mdev/devices/%s", d->uuid) :
		xasprintf("host=%s", BDF_STR(&d->vf));
	const char *display = display_name(d->display);

	return xasprintf("vfio-pci%s,%s,id=hostpci%u,%s%s%s%s%s", d->ramfb ? "-nohotplug" : "", what,
			 d->index, slot, d->x_vga ? ",x-vga=on" : "", display ? ",display=" : "",
			 display ? display : "", d->ramfb ? ",ramfb=on" : "");
}

void qemu_device_words(const struct qemu_device *d, struct strlist *argv)
{
	char *port = pci_slot_root_port(d->index, d->slot);

	if (port) {
		strlist_add(argv, "-device");
		strlist_take(argv, port);
	}
	strlist_add(argv, "-device");
	strlist_take(argv, device(d));
}
