/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cleanup.h"
#include "pci_slot.h"
#include "qemu_device.h"
#include "tap.h"
#include "xalloc.h"

static void check(unsigned int index, enum pci_slot kind, const char *slot, const char *port)
{
	AUTO_FREE char *got = pci_slot_text(index, kind);
	AUTO_FREE char *root = pci_slot_root_port(index, kind);

	CHECK_STR(got, slot);
	CHECK_STR(root, port);
}

static void check_words(const struct qemu_device *d, const char *want)
{
	AUTO_STRLIST struct strlist argv = { 0 };
	AUTO_FREE char *got = NULL;

	qemu_device_words(d, &argv);
	got = strlist_join(&argv, " ");
	CHECK_STR(got, want);
}

int main(void)
{
	TEST("slots: conventional PCI") {
		check(0, PCI_SLOT_CONVENTIONAL, "bus=pci.0,addr=0x10", NULL);
		check(1, PCI_SLOT_CONVENTIONAL, "bus=pci.0,addr=0x11", NULL);
		check(2, PCI_SLOT_CONVENTIONAL, "bus=pci.0,addr=0x1b", NULL);
		check(3, PCI_SLOT_CONVENTIONAL, "bus=pci.0,addr=0x1c", NULL);
		check(4, PCI_SLOT_CONVENTIONAL, "bus=pci.2,addr=0xd", NULL);
		check(15, PCI_SLOT_CONVENTIONAL, "bus=pci.2,addr=0x18", NULL);
		CHECK_NUM(pci_slot_bus(3), 0);
		CHECK_NUM(pci_slot_bus(4), 2);
	}
	TEST("slots: PCIe, with the root port that PVE's q35 does not bring") {
		check(0, PCI_SLOT_EXPRESS, "bus=ich9-pcie-port-1,addr=0x0", NULL);
		check(3, PCI_SLOT_EXPRESS, "bus=ich9-pcie-port-4,addr=0x0", NULL);
		check(4, PCI_SLOT_EXPRESS, "bus=ich9-pcie-port-5,addr=0x0",
		      "pcie-root-port,id=ich9-pcie-port-5,addr=10.0,x-speed=16,x-width=32,multifunction=on,bus=pcie.0,port=5,chassis=5");
		check(11, PCI_SLOT_EXPRESS, "bus=ich9-pcie-port-12,addr=0x0",
		      "pcie-root-port,id=ich9-pcie-port-12,addr=10.7,x-speed=16,x-width=32,multifunction=on,bus=pcie.0,port=12,chassis=12");
		check(12, PCI_SLOT_EXPRESS, "bus=ich9-pcie-port-13,addr=0x0",
		      "pcie-root-port,id=ich9-pcie-port-13,addr=11.0,x-speed=16,x-width=32,multifunction=on,bus=pcie.0,port=13,chassis=13");
		check(15, PCI_SLOT_EXPRESS, "bus=ich9-pcie-port-16,addr=0x0",
		      "pcie-root-port,id=ich9-pcie-port-16,addr=11.3,x-speed=16,x-width=32,multifunction=on,bus=pcie.0,port=16,chassis=16");
	}
	TEST("slots: PCIe for Windows 7, without root ports") {
		check(0, PCI_SLOT_EXPRESS_BUS, "bus=pcie.0,addr=0x10", NULL);
		check(3, PCI_SLOT_EXPRESS_BUS, "bus=pcie.0,addr=0x13", NULL);
		check(4, PCI_SLOT_EXPRESS_BUS, "bus=pcie.0,addr=0x9", NULL);
		check(10, PCI_SLOT_EXPRESS_BUS, "bus=pcie.0,addr=0xf", NULL);
		check(11, PCI_SLOT_EXPRESS_BUS, "bus=pcie.0,addr=0x15", NULL);
		check(15, PCI_SLOT_EXPRESS_BUS, "bus=pcie.0,addr=0x19", NULL);
	}
	TEST("a device: an mdev by its UUID, a VF by its address, and what an intent asks for") {
		struct qemu_device d = { .index = 1, .vf = { 0, 0x3b, 0, 4 } };

		check_words(&d, "-device vfio-pci,host=0000:3b:00.4,id=hostpci1,bus=pci.0,addr=0x11");
		vgpu_pve_uuid(100, 1, d.uuid);
		check_words(&d, "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000001-0000-0000-0000-000000000100,"
			    "id=hostpci1,bus=pci.0,addr=0x11");
		d.x_vga = true;
		d.display = DISPLAY_ON;
		d.ramfb = true;
		d.slot = PCI_SLOT_EXPRESS;
		d.index = 4;
		check_words(&d, "-device pcie-root-port,id=ich9-pcie-port-5,addr=10.0,x-speed=16,x-width=32,multifunction=on,"
			    "bus=pcie.0,port=5,chassis=5 -device vfio-pci-nohotplug,sysfsdev=/sys/bus/mdev/devices/"
			    "00000001-0000-0000-0000-000000000100,id=hostpci4,bus=ich9-pcie-port-5,addr=0x0,x-vga=on,display=on,ramfb=on");
	}
	return tap_done();
}
