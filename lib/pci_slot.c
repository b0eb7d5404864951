/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pci_slot.h"

#include <stddef.h>

#include "xalloc.h"

struct place {
	unsigned int bus, addr;
};

static const struct place first[] = { { 0, 0x10 }, { 0, 0x11 }, { 0, 0x1b }, { 0, 0x1c } };

static struct place conventional(unsigned int index)
{
	if (index < 4)
		return first[index];
	return (struct place){ 2, 0x0d + index - 4 };
}

/* The places that are free on the root bus come in three runs. */
static unsigned int root_bus_addr(unsigned int index)
{
	if (index < 4)
		return 0x10 + index;
	if (index < 11)
		return 0x09 + index - 4;
	return 0x15 + index - 11;
}

unsigned int pci_slot_bus(unsigned int index)
{
	return conventional(index).bus;
}

char *pci_slot_text(unsigned int index, enum pci_slot kind)
{
	struct place p = conventional(index);

	switch (kind) {
	case PCI_SLOT_EXPRESS:
		return xasprintf("bus=ich9-pcie-port-%u,addr=0x0", index + 1);
	case PCI_SLOT_EXPRESS_BUS:
		return xasprintf("bus=pcie.0,addr=0x%x", root_bus_addr(index));
	case PCI_SLOT_CONVENTIONAL:
		break;
	}
	return xasprintf("bus=pci.%u,addr=0x%x", p.bus, p.addr);
}

char *pci_slot_root_port(unsigned int index, enum pci_slot kind)
{
	unsigned int n = index - 4, port = index + 1;

	if (kind != PCI_SLOT_EXPRESS || index < 4)
		return NULL;
	return xasprintf("pcie-root-port,id=ich9-pcie-port-%u,addr=%x.%u,x-speed=16,x-width=32,"
			 "multifunction=on,bus=pcie.0,port=%u,chassis=%u",
			 port, 0x10 + n / 8, n % 8, port, port);
}
