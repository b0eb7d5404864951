/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* pve-helper/args_carried is no part of the library. */
#include "../../pve-helper/args_carried.c"

#include <string.h>

#include "tap.h"

#define UNIT(index, vmid) "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/0000000" index "-0000-0000-0000-000000000" vmid \
	",id=hostpci" index ",bus=pci.0,addr=0x10"

/* The args without what they carry, for VM 101; the notes are counted. */
static char *drop(const char *args, size_t *notes)
{
	static const char text[] = "[vm 100]\nhostpci0 = A40-24A\n";
	AUTO_SETTINGS struct settings s = { 0 };
	AUTO_STRLIST struct strlist said = { 0 };
	char *out = NULL;

	settings_parse(text, strlen(text), "settings", &s);
	CHECK_NUM(args_drop_carried(&s, 101, args, &out, &said, NULL), 0);
	*notes = said.n;
	return out;
}

static void check(const char *args, const char *want, size_t notes)
{
	size_t n;
	AUTO_FREE char *got = drop(args, &n);

	CHECK_STR(got, want);
	CHECK_NUM(n, notes);
}

static int left(const char *args)
{
	static const char text[] = "[vm 100]\nhostpci0 = A40-24A\n";
	AUTO_SETTINGS struct settings s = { 0 };

	settings_parse(text, strlen(text), "settings", &s);
	return args_check_carried(&s, 101, args, NULL);
}

int main(void)
{
	TEST("args of a clone: units of other VMs go, with their -uuid; all else stays byte for byte") {
		check(UNIT("0", "100") " -uuid 12345678-1234-4234-8234-000000000100", NULL, 1);
		check("-a  'b c' " UNIT("0", "100") " -x", "-a  'b c' -x", 1);
		check(UNIT("0", "100") " " UNIT("1", "100") " " UNIT("0", "102") " -y", "-y", 2);
		check(UNIT("0", "101") " " UNIT("0", "100"), UNIT("0", "101"), 1);
	}
	TEST("args without any: as they are, also such as cannot be read") {
		check(NULL, NULL, 0);
		check("-a 'b", "-a 'b", 0);
		check("-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000100",
		      "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000100", 0);
	}
	TEST("what is left in other words: refused where the settings give it to another VM") {
		CHECK_NUM(left("-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000100"), -EPERM);
		CHECK_NUM(left("-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000001-0000-0000-0000-000000000100"), 0);
		CHECK_NUM(left("-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000101"), 0);
		CHECK_NUM(left(NULL), 0);
	}
	return tap_done();
}
