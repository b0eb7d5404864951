/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * Where qemu-server puts hostpci<N> in a machine, so that a device of ours
 * stands where the same line of the VM's config would put it. Pure.
 * Source: qemu-server src/PVE/QemuServer/PCI.pm, get_pci_addr_map(),
 * get_pcie_addr_map(), print_pcie_root_port(), print_hostpci_devices(); the
 * same in 7.1
 */
#ifndef PCI_SLOT_H
#define PCI_SLOT_H

#define PCI_SLOT_MAX	16	/* hostpci0 to hostpci15 */

enum pci_slot {
	PCI_SLOT_CONVENTIONAL,	/* i440fx and q35 alike */
	PCI_SLOT_EXPRESS,	/* pcie=1 on q35: below a root port */
	PCI_SLOT_EXPRESS_BUS,	/* the same for ostype win7: on the root bus itself */
};

/* "bus=pci.0,addr=0x10"; the caller frees it. */
char *pci_slot_text(unsigned int index, enum pci_slot kind);

/*
 * The root port that has to be added before the device; the caller frees it.
 * NULL: none, for the first four come with PVE's q35.
 */
char *pci_slot_root_port(unsigned int index, enum pci_slot kind);

/*
 * The bus of a conventional slot that has to be there, 0 or 2. i440fx has pci.2 by
 * a bridge that qemu-server adds to every machine since version 2.3 of it, and q35
 * by PVE's own machine description.
 */
unsigned int pci_slot_bus(unsigned int index);

#endif
