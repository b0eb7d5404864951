/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "attach.h"
#include "tap.h"

#define UUID_100_0 "00000000-0000-0000-0000-000000000100"
#define UUID_100_1 "00000001-0000-0000-0000-000000000100"
#define UUID_200_0 "00000000-0000-0000-0000-000000000200"

static enum attach kind(const char *config, unsigned int vmid, unsigned int index)
{
	AUTO_VMCONF struct vmconf c = { 0 };

	CHECK_NUM(vmconf_parse(config, strlen(config), "conf", &c, NULL), 0);
	return attach_kind(&c, vmid, index);
}

struct found {
	unsigned int n, vmid[8], index[8], stop_at;
};

static int note(void *arg, unsigned int vmid, unsigned int index)
{
	struct found *f = arg;

	f->vmid[f->n] = vmid;
	f->index[f->n] = index;
	return ++f->n == f->stop_at ? -7 : 0;
}

static int uuids(const char *args, struct found *f)
{
	AUTO_VMCONF struct vmconf c = { 0 };
	char text[1024];

	snprintf(text, sizeof(text), "args: %s\n", args);
	CHECK_NUM(vmconf_parse(text, strlen(text), "conf", &c, NULL), 0);
	return attach_args_uuids(&c, note, f);
}

static void test_hostpci(void)
{
	TEST("attach: nothing in the config") {
		CHECK_NUM(kind("name: a\n", 100, 0), ATTACH_NONE);
		CHECK_NUM(kind("args: -S\n", 100, 0), ATTACH_NONE);
		CHECK_NUM(kind("hostpci1: 0000:e8:00.4,mdev=nvidia-575\n", 100, 0), ATTACH_NONE);
		CHECK_NUM(kind("name: a\n", 100, 99), ATTACH_NONE);
	}
	TEST("attach: hostpci<N> with an address, long or short, and with a mapping") {
		CHECK_NUM(kind("hostpci0: 0000:e8:00.4,mdev=nvidia-575\n", 100, 0), ATTACH_ADDRESS);
		CHECK_NUM(kind("hostpci0: e8:00.4,pcie=1,mdev=nvidia-575\n", 100, 0), ATTACH_ADDRESS);
		CHECK_NUM(kind("hostpci15: host=e8:00.4,mdev=nvidia-575\n", 100, 15), ATTACH_ADDRESS);
		CHECK_NUM(kind("hostpci0: mapping=a40,mdev=nvidia-575\n", 100, 0), ATTACH_MAPPING);
	}
	TEST("attach: hostpci<N> that is no vGPU at one address is a conflict") {
		CHECK_NUM(kind("hostpci0: 0000:e8:00.4\n", 100, 0), ATTACH_CONFLICT);
		CHECK_NUM(kind("hostpci0: mapping=a40\n", 100, 0), ATTACH_CONFLICT);
		CHECK_NUM(kind("hostpci0: e8:00,mdev=nvidia-575\n", 100, 0), ATTACH_CONFLICT);
		CHECK_NUM(kind("hostpci0: e8:00.4;e8:00.5,mdev=nvidia-575\n", 100, 0), ATTACH_CONFLICT);
		CHECK_NUM(kind("hostpci0: nonsense\n", 100, 0), ATTACH_CONFLICT);
	}
}

static void test_args(void)
{
	TEST("attach: args may name the mdev beside a hostpci<N>, and each way has its mode") {
		AUTO_VMCONF struct vmconf c = { 0 };
		static const char text[] = "args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID_100_0 "\n"
			"hostpci0: mapping=a40,mdev=nvidia-575\n";

		CHECK_NUM(vmconf_parse(text, strlen(text), "conf", &c, NULL), 0);
		CHECK(attach_in_args(&c, 100, 0));
		CHECK(!attach_in_args(&c, 100, 1));
		CHECK(!attach_in_args(&c, 101, 0));
		CHECK_NUM(attach_mode(ATTACH_ADDRESS), MODE_NATIVE);
		CHECK_NUM(attach_mode(ATTACH_MAPPING), MODE_NATIVE);
		CHECK_NUM(attach_mode(ATTACH_ARGS), MODE_ARGS);
		CHECK_NUM(attach_mode(ATTACH_WRAPPER), MODE_WRAPPER);
		CHECK_NUM(attach_mode(ATTACH_NONE), MODE_UNSET);
		CHECK_NUM(attach_mode(ATTACH_CONFLICT), MODE_UNSET);
	}
	TEST("attach: a hostpci<N> line counts for more than args") {
		CHECK_NUM(kind("args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID_100_0 "\n"
			       "hostpci0: mapping=a40,mdev=nvidia-575\n", 100, 0), ATTACH_MAPPING);
	}
	TEST("attach: args name the mdev of this VM and index, whatever is around it") {
		CHECK_NUM(kind("args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID_100_0 ",id=a\n", 100, 0),
			  ATTACH_ARGS);
		CHECK_NUM(kind("args: -device 'vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:e8:00.4/" UUID_100_0 "/'\n",
			       100, 0), ATTACH_ARGS);
		CHECK_NUM(kind("args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID_100_0 "\n", 100, 1),
			  ATTACH_NONE);
		CHECK_NUM(kind("args: -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID_200_0 "\n", 100, 0),
			  ATTACH_NONE);
		CHECK_NUM(kind("args: -uuid " UUID_100_0 "\n", 100, 0), ATTACH_NONE);
	}
}

static void test_args_uuids(void)
{
	TEST("attach: every vGPU of the pattern in args is found, and the caller may stop") {
		static const char args[] = "-device vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID_100_1
			" -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/242e5ea7-90e2-4d6e-afeb-a0b9a656c108"
			" -device vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID_200_0;
		struct found all = { 0 }, one = { .stop_at = 1 };

		CHECK_NUM(uuids(args, &all), 0);
		CHECK_NUM(all.n, 2);
		CHECK_NUM(all.vmid[0], 100);
		CHECK_NUM(all.index[0], 1);
		CHECK_NUM(all.vmid[1], 200);
		CHECK_NUM(all.index[1], 0);
		CHECK_NUM(uuids(args, &one), -7);
		CHECK_NUM(one.n, 1);
	}
	TEST("attach: what ends in the middle is passed over") {
		struct found f = { 0 };

		CHECK_NUM(uuids("sysfsdev=", &f), 0);
		CHECK_NUM(uuids("sysfsdev=/", &f), 0);
		CHECK_NUM(uuids("sysfsdev=///,sysfsdev", &f), 0);
		CHECK_NUM(uuids("sysfsdev=/sys/bus/mdev/devices/00000000-0000-0000-0000-00000000010", &f), 0);
		CHECK_NUM(f.n, 0);
	}
}

int main(void)
{
	test_hostpci();
	test_args();
	test_args_uuids();
	return tap_done();
}
