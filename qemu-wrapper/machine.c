/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "machine.h"

#include <string.h>

#include "cleanup.h"
#include "parse.h"
#include "pci_slot.h"

bool machine_is_q35(const struct strlist *words)
{
	struct option o = { .next = 1 };

	while (cmdline_next_of(words, "machine", &o)) {
		AUTO_FREE char *type = o.value ? property(o.value, "type") : NULL;
		/* The first property of -machine may be the type without its name, as with "driver". */
		AUTO_FREE char *first = o.value ? property(o.value, "driver") : NULL;

		if ((type && strstr(type, "q35")) || (first && strstr(first, "q35")))
			return true;
	}
	return false;
}

static bool is_pflash(const char *drive)
{
	AUTO_FREE char *interface = property(drive, "if");

	return interface && !strcmp(interface, "pflash");
}

bool machine_has_ovmf(const struct strlist *words)
{
	struct option o = { .next = 1 };

	while (cmdline_next(words, &o)) {
		if (!o.name || !o.value)
			continue;
		if (!strcmp(o.name, "pflash") ||
		    (!strcmp(o.name, "drive") && is_pflash(o.value)) ||
		    (!strcmp(o.name, "machine") && has_property(o.value, "pflash0")) ||
		    /* With SEV-SNP and TDX */
		    (!strcmp(o.name, "bios") && strstr(o.value, "OVMF")))
			return true;
	}
	return false;
}

bool machine_has_device(const struct strlist *words, const char *id)
{
	struct option o = { .next = 1 };

	while (cmdline_next_of(words, "device", &o)) {
		AUTO_FREE char *has = o.value ? property(o.value, "id") : NULL;

		if (has && !strcmp(has, id))
			return true;
	}
	return false;
}

/* N of the root port that qemu-server adds for hostpci<N>, or -1. */
static int port_index(const char *id)
{
	static const char port[] = "ich9-pcie-port-";
	unsigned long n;

	if (strncmp(id, port, sizeof(port) - 1) != 0 ||
	    parse_ulong(id + sizeof(port) - 1, 1, PCI_SLOT_MAX, &n) < 0)
		return -1;
	return (int)n - 1;
}

/* N of a device that belongs to hostpci<N>, or -1. */
static int belongs_to(const char *device)
{
	AUTO_FREE char *id = property(device, "id");
	int index = hostpci_index(id);

	return index < 0 && id ? port_index(id) : index;
}

/* Whether qemu-server has this device before hostpci<index>. */
static bool is_before(const char *device, unsigned int index)
{
	static const char *const ids[] = { "uhci", "ehci", "xhci", "tablet", "keyboard" };
	AUTO_FREE char *id = property(device, "id");
	AUTO_FREE char *driver = property(device, "driver");
	int hostpci = belongs_to(device);

	if (!id)
		return driver && !strcmp(driver, "vmgenid");
	if (hostpci >= 0)
		return hostpci < (int)index;
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (!strcmp(id, ids[i]))
			return true;
	return !strncmp(id, "pci.", strlen("pci."));
}

size_t machine_place(const struct strlist *words, unsigned int index)
{
	struct option o = { .next = 1 };
	/* Never before the program's name, also where -machine or nothing is behind it. */
	size_t place = 0, later = 0, end = o.next;

	/* Behind -machine come -loadstate, the config's args and what a migration needs. */
	while (cmdline_next(words, &o) && !(o.name && !strcmp(o.name, "machine"))) {
		if (!o.name || strcmp(o.name, "rtc") != 0)
			end = cmdline_lacks_value(&o) ? o.at : o.next;
		if (!o.name || !o.value)
			continue;

		bool is_device = !strcmp(o.name, "device");

		if (!strcmp(o.name, "readconfig") || (is_device && is_before(o.value, index)))
			place = o.next;
		else if (is_device && !later && belongs_to(o.value) > (int)index)
			later = o.at;
	}
	if (place)
		return place;
	return later ? later : end;
}
