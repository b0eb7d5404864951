// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What QEMU emulates takes on the identity of a GPU, in the kernel's eyes:
 * config space still has QEMU's ids, and sriov_vf_device shows them.
 */
#include "sim.h"

#include <linux/device/bus.h>

#include "typetable.h"

static const struct board boards[] = {
	{
		.emulated = 0x0010,	/* NVMe, with SR-IOV */
		.device = 0x2235, .subsystem = 0x145a, .sriov = true,
		.memory_mib = A40_MEMORY_MIB,
		.types = a40_types, .n_types = ARRAY_SIZE(a40_types),
	}, {
		.emulated = 0x0005,	/* pci-testdev */
		.device = 0x1eb8, .subsystem = 0x12a2,
		.memory_mib = T4_MEMORY_MIB,
		.types = t4_types, .n_types = ARRAY_SIZE(t4_types),
	},
};

static bool is_emulated(struct pci_dev *pf, const struct board *b)
{
	return pf->vendor == PCI_VENDOR_ID_REDHAT && pf->device == b->emulated &&
	       !!pci_find_ext_capability(pf, PCI_EXT_CAP_ID_SRIOV) == b->sriov;
}

const struct board *identity_board(struct pci_dev *pf)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(boards); i++)
		if (is_emulated(pf, &boards[i]) ||
		    (pf->vendor == PCI_VENDOR_ID_NVIDIA &&
		     pf->device == boards[i].device))
			return &boards[i];
	return NULL;
}

static void take_on(struct pci_dev *pdev)
{
	const struct board *b = identity_board(pci_physfn(pdev));

	if (!b)
		return;
	pdev->vendor = PCI_VENDOR_ID_NVIDIA;
	pdev->device = b->device;
	pdev->subsystem_vendor = PCI_VENDOR_ID_NVIDIA;
	pdev->subsystem_device = pdev->is_virtfn ? 0 : b->subsystem;
	pdev->class = PCI_CLASS_DISPLAY_3D << 8;
	pdev->revision = 0xa1;
}

/* Of device_add(), which tells us before it tells udev. */
static int bus_event(struct notifier_block *nb, unsigned long action, void *data)
{
	if (action == BUS_NOTIFY_ADD_DEVICE)
		take_on(to_pci_dev(data));
	return NOTIFY_OK;
}

static struct notifier_block notifier = { .notifier_call = bus_event };

int identity_start(void)
{
	struct pci_dev *pdev = NULL;
	int ret = bus_register_notifier(&pci_bus_type, &notifier);

	if (ret)
		return ret;
	for_each_pci_dev(pdev) {
		if (!identity_board(pci_physfn(pdev)))
			continue;
		if (pdev->dev.driver)
			pci_info(pdev, "left alone: %s has it\n",
				 pdev->dev.driver->name);
		else
			take_on(pdev);
	}
	return 0;
}

void identity_stop(void)
{
	bus_unregister_notifier(&pci_bus_type, &notifier);
}
