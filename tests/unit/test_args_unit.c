/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "args_unit.h"
#include "cleanup.h"
#include "tap.h"
#include "xalloc.h"

#define VM_UUID	"8f5c2a3e-0000-4000-8000-00000000abcd"
#define DEV0	"-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000100,id=hostpci0,bus=pci.0,addr=0x10"
#define DEV1	"-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000001-0000-0000-0000-000000000100,id=hostpci1,bus=pci.0,addr=0x11"

static struct qemu_device device(unsigned int index)
{
	struct qemu_device d = { .index = index };

	vgpu_pve_uuid(100, index, d.uuid);
	return d;
}

/* Write these devices into args; the caller frees what comes. */
static char *write_units(const char *args, const char *indexes, const char *uuid)
{
	struct qemu_device d[16];
	size_t n = 0;
	char *out = NULL;
	AUTO_ERR struct err e = { 0 };

	for (; *indexes; indexes++)
		d[n++] = device((unsigned int)(*indexes - '0'));
	CHECK_NUM(args_units_write(args, 100, d, n, uuid, &out, &e), 0);
	CHECK_STR(e.msg, NULL);
	return out;
}

static void check(const char *args, const char *indexes, const char *uuid, const char *want)
{
	AUTO_FREE char *got = write_units(args, indexes, uuid);
	AUTO_FREE char *again = write_units(got, indexes, uuid);

	CHECK_STR(got, want);
	CHECK_STR(again, want);
}

/* What was put in comes out again, and nothing else. */
static void check_back(const char *args)
{
	static const char *const sets[] = { "0", "01", "3", "0123" };

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
		AUTO_FREE char *with = write_units(args, sets[i], VM_UUID);
		AUTO_FREE char *back = write_units(with, "", NULL);

		CHECK(args_unit_there(with, 100, (unsigned int)(*sets[i] - '0')));
		CHECK_STR(back, args);
	}
}

static int refused(const char *args, struct err *e)
{
	struct qemu_device d = device(0);
	AUTO_FREE char *out = NULL;

	return args_units_write(args, 100, &d, 1, VM_UUID, &out, e);
}

static void test_write(void)
{
	TEST("args: a unit comes behind what is there, with a -uuid where there is none") {
		check(NULL, "0", VM_UUID, DEV0 " -uuid " VM_UUID);
		check(NULL, "0", NULL, DEV0);
		check("-name 'a  b'", "0", VM_UUID, "-name 'a  b' " DEV0 " -uuid " VM_UUID);
		check("-name x", "01", VM_UUID, "-name x " DEV0 " " DEV1 " -uuid " VM_UUID);
	}
	TEST("args: a -uuid of the admin's own stays the only one") {
		check("-uuid " VM_UUID " -S", "0", "11111111-2222-3333-4444-555555555555", "-uuid " VM_UUID " -S " DEV0);
		check_back("-uuid " VM_UUID " -S");
		check_back("--uuid " VM_UUID);
	}
	TEST("args: an index more or less, and the -uuid stays with the units") {
		check(DEV0 " -uuid " VM_UUID, "01", VM_UUID, DEV0 " " DEV1 " -uuid " VM_UUID);
		check("-a " DEV0 " " DEV1 " -uuid " VM_UUID " -b", "1", VM_UUID, "-a -b " DEV1 " -uuid " VM_UUID);
		check(DEV0 " " DEV1 " -uuid " VM_UUID " -b", "", NULL, "-b");
	}
	TEST("args: units that are right stay where they are, whatever came behind them") {
		check("-a " DEV0 " -uuid " VM_UUID " -b 'c'", "0", VM_UUID, "-a " DEV0 " -uuid " VM_UUID " -b 'c'");
	}
}

static void test_in_and_out(void)
{
	TEST("args: in and out again is nothing done, byte for byte") {
		static const char *const args[] = {
			"-a", "-name 'it\"s  two'", "-x \"a\\\"b\" \\'", "-a\t-b  -c", "'' \"\"",
			"-device vfio-pci,host=0000:01:00.0,id=own",
			"-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000004-0000-0000-0000-000000000100",
		};

		check_back(NULL);
		for (size_t i = 0; i < ARRAY_SIZE(args); i++)
			check_back(args[i]);
	}
	TEST("args: a '0' alone, which is no word to PVE, does not become one") {
		check("0", "0", NULL, DEV0);
		check("0", "", NULL, "0");
	}
	TEST("args: a unit with a root port, and one whose root port is gone") {
		struct qemu_device d = device(5);
		AUTO_FREE char *with = NULL, *back = NULL, *hurt = NULL;

		d.slot = PCI_SLOT_EXPRESS;
		CHECK_NUM(args_units_write("-a", 100, &d, 1, NULL, &with, NULL), 0);
		CHECK_HAS(with, "-a -device pcie-root-port,id=ich9-pcie-port-6,");
		CHECK_NUM(args_units_write(with, 100, NULL, 0, NULL, &back, NULL), 0);
		CHECK_STR(back, "-a");
		free(take_ptr(back));
		hurt = xasprintf("-a %s", strstr(with, "-device vfio-pci"));
		CHECK_NUM(args_units_write(hurt, 100, NULL, 0, NULL, &back, NULL), 0);
		CHECK_STR(back, "-a");
	}
}

static void test_remove(void)
{
	TEST("args: one index out, and the -uuid stays with what is left") {
		static const struct {
			const char *args, *want;
			unsigned int index;
		} t[] = {
			{ "-a " DEV0 " " DEV1 " -uuid " VM_UUID " -b", "-a " DEV0 " -uuid " VM_UUID " -b", 1 },
			{ "-a " DEV0 " " DEV1 " -uuid " VM_UUID " -b", "-a " DEV1 " -uuid " VM_UUID " -b", 0 },
			{ "-a " DEV0 " -uuid " VM_UUID, "-a", 0 },
			{ DEV0, NULL, 0 },
			{ "-a", "-a", 0 },
		};

		for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
			AUTO_FREE char *out = NULL;

			CHECK_NUM(args_unit_remove(t[i].args, 100, t[i].index, &out, NULL), 0);
			CHECK_STR(out, t[i].want);
		}
	}
}

static void test_refused(void)
{
	TEST("args: what would bring a device twice is refused") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(refused("-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000100", &e), -EEXIST);
		CHECK_HAS(e.msg, "args of the VM's config have a device for hostpci0 already: 'vfio-pci,sysfsdev=");
		err_clear(&e);
		CHECK_NUM(refused("-device vfio-pci,host=01:00.0,id=hostpci0", &e), -EEXIST);
		err_clear(&e);
		CHECK_NUM(refused("-device vfio-pci,host=01:00.0,id=hostpci01", &e), 0);
	}
	TEST("args: what is written in another way than set does is the admin's") {
		static const char *const args[] = {
			"-device 'vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-000000000100,id=hostpci0,rombar=0'",
			"-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/00000000-0\\000-0000-0000-000000000100,id=hostpci0,rombar=0",
		};

		for (size_t i = 0; i < ARRAY_SIZE(args); i++) {
			AUTO_ERR struct err e = { 0 };
			AUTO_FREE char *out = NULL;

			CHECK(!args_unit_there(args[i], 100, 0));
			CHECK_NUM(refused(args[i], &e), -EEXIST);
			CHECK_NUM(args_unit_remove(args[i], 100, 0, &out, NULL), 0);
			CHECK_STR(out, args[i]);
		}
	}
	TEST("args: what cannot be read is refused, and has no unit") {
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(refused("-name 'x", &e), -EINVAL);
		CHECK(!args_unit_there("-name 'x " DEV0, 100, 0));
		CHECK(args_unit_there("-name x " DEV0, 100, 0));
		CHECK(!args_unit_there("-name x " DEV0, 100, 1));
		CHECK(!args_unit_there("-name x " DEV0, 101, 0));
	}
}

int main(void)
{
	test_write();
	test_in_and_out();
	test_remove();
	test_refused();
	return tap_done();
}
