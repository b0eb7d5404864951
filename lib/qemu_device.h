/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What QEMU's command line says of one vGPU, in the order in which qemu-server has it. Pure. */
#ifndef QEMU_DEVICE_H
#define QEMU_DEVICE_H

#include "inventory.h"
#include "pci_slot.h"
#include "settings.h"
#include "strlist.h"

struct qemu_device {
	unsigned int index;		/* of hostpci<N> */
	enum pci_slot slot;
	char uuid[UUID_TEXT_LEN];	/* the mdev; "": the VF is the device */
	struct bdf vf;
	bool x_vga;			/* the property; not with OVMF */
	enum display display;
	bool ramfb;
};

/*
 * Append the words: "-device" and the root port where one is needed, "-device"
 * and the vGPU.
 * Source: qemu-server src/PVE/QemuServer/PCI.pm, print_hostpci_devices(). The
 * property ramfb belongs to vfio-pci-nohotplug: QEMU hw/vfio/pci.c
 */
void qemu_device_words(const struct qemu_device *d, struct strlist *argv);

#endif
