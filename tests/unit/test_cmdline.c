/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cmdline.h"

#include <stdlib.h>

#include "cleanup.h"
#include "machine.h"
#include "tap.h"

#define UUID	"00000000-0000-0000-0000-000000000100"

/* The words of a line, which are borrowed. */
#define LINE(...) ((struct strlist){ \
	.s = (char *[]){ (char []){ "kvm" }, __VA_ARGS__ }, \
	.n = 1 + sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *) })
#define W(text)	((char []){ text })

static bool is(const char *list, const char *name, const char *want)
{
	AUTO_FREE char *has = property(list, name);

	return has && want ? !strcmp(has, want) : has == want;
}

static bool stands_on_uuid(const char *device)
{
	AUTO_VFIO_DEVICE struct vfio_device d = { 0 };

	return vfio_device_read(device, &d) && !strcmp(d.uuid, UUID) && !d.on_bdf;
}

static void test_options(void)
{
	TEST("cmdline_next: one dash or two, with a value or without") {
		struct strlist l = LINE(W("-S"), W("--device"), W("x"), W("word"), W("-nographic"));
		struct option o = { .next = 1 };

		CHECK(cmdline_next(&l, &o) && o.at == 1 && !o.value);
		CHECK_STR(o.name, "S");
		CHECK(cmdline_next(&l, &o) && o.at == 2 && o.next == 4);
		CHECK_STR(o.name, "device");
		CHECK_STR(o.value, "x");
		CHECK(cmdline_next(&l, &o) && !o.name);
		CHECK(cmdline_next(&l, &o) && !o.value);
		CHECK(!cmdline_next(&l, &o));
	}
	TEST("cmdline_next: '-' alone is a value, and free text may begin with a dash") {
		struct strlist l = LINE(W("-serial"), W("-"), W("-name"), W("-uuid"), W("-append"), W("-S"));

		CHECK_STR(cmdline_value(&l, "serial"), "-");
		CHECK_STR(cmdline_value(&l, "name"), "-uuid");
		CHECK(!cmdline_value(&l, "uuid"));
		CHECK_STR(cmdline_value(&l, "append"), "-S");
	}
	TEST("cmdline_vmid: the number behind -id, of a VM of PVE's alone") {
		CHECK_NUM(cmdline_vmid(&LINE(W("-id"), W("100"))), 100);
		CHECK_NUM(cmdline_vmid(&LINE(W("--id"), W("999999999"))), 999999999);
		CHECK_NUM(cmdline_vmid(&LINE(W("-id"), W("99"))), 0);
		CHECK_NUM(cmdline_vmid(&LINE(W("-id"), W("../100"))), 0);
		CHECK_NUM(cmdline_vmid(&LINE(W("-id"))), 0);
		CHECK_NUM(cmdline_vmid(&LINE(W("--version"))), 0);
		CHECK_NUM(cmdline_vmid(&(struct strlist){ 0 }), 0);
	}
}

static void test_place(void)
{
	TEST("machine_place: before -machine, and never before the program's name or as another option's value") {
		struct strlist alone = { .s = (char *[]){ W("kvm") }, .n = 1 };

		CHECK_NUM(machine_place(&LINE(W("-id"), W("100"), W("-machine"), W("q35")), 0), 3);
		CHECK_NUM(machine_place(&LINE(W("-machine"), W("q35"), W("-id"), W("100")), 0), 1);
		CHECK_NUM(machine_place(&alone, 0), 1);
		CHECK_NUM(machine_place(&LINE(W("-id"), W("100"), W("-append")), 0), 3);
	}
}

static void test_properties(void)
{
	TEST("property: of a list, with the first one's name left out") {
		CHECK(is("vfio-pci,id=a,x=", "driver", "vfio-pci"));
		CHECK(is("driver=vfio-pci,id=a", "driver", "vfio-pci"));
		CHECK(is("vfio-pci,id=a,x=", "id", "a"));
		CHECK(is("vfio-pci,id=a,x=", "x", ""));
		CHECK(is("id=a,flag", "driver", NULL));
		CHECK(is("vfio-pci,guid=a", "id", NULL));
		CHECK(is("", "id", NULL));
	}
	TEST("property: a doubled comma is one, and ends nothing") {
		CHECK(is("type=1,a=x,,uuid=no,uuid=yes", "uuid", "yes"));
		CHECK(is("type=1,a=x,,uuid=no,,,uuid=yes", "a", "x,uuid=no,"));
		CHECK(is("a=x,", "a", "x"));
	}
	TEST("property: of JSON") {
		CHECK(is("{\"driver\":\"vfio-pci\",\"id\":\"a\"}", "id", "a"));
		CHECK(is("{\"id\":5}", "id", NULL));
		CHECK(is("{\"id\":\"a\"", "id", NULL));
		CHECK(is("{}", "driver", NULL));
	}
}

static void test_devices(void)
{
	TEST("vfio_device_read: an mdev in each way that leads to it") {
		CHECK(stands_on_uuid("vfio-pci,sysfsdev=/sys/bus/mdev/devices/" UUID ",id=hostpci0"));
		CHECK(stands_on_uuid("vfio-pci,sysfsdev=/sys/bus/pci/devices/0000:e8:00.4/" UUID));
		CHECK(stands_on_uuid("vfio-pci,sysfsdev=/sys/class/mdev_bus/0000:e8:00.4/" UUID));
		CHECK(stands_on_uuid("vfio-pci-nohotplug,ramfb=on,sysfsdev=/sys/devices/pci0000:e0/0000:e8:00.4/" UUID));
		CHECK(stands_on_uuid("{\"driver\":\"vfio-pci\",\"sysfsdev\":\"/sys/bus/mdev/devices/" UUID "\"}"));
	}
	TEST("vfio_device_read: a function by host= or by its path") {
		AUTO_VFIO_DEVICE struct vfio_device a = { 0 }, b = { 0 };

		CHECK(vfio_device_read("vfio-pci,host=e8:00.5,id=hostpci12.0", &a));
		CHECK(a.on_bdf && a.index == 12 && !*a.uuid);
		CHECK_STR(BDF_STR(&a.bdf), "0000:e8:00.5");
		CHECK(vfio_device_read("vfio-pci,sysfsdev=/sys/bus/pci/devices/0001:e8:00.5", &b));
		CHECK(b.on_bdf && b.index == -1 && !b.id);
	}
	TEST("vfio_device_read: neither, or another device") {
		AUTO_VFIO_DEVICE struct vfio_device d = { 0 };

		CHECK(!vfio_device_read("VGA,id=vga", &d));
		CHECK(!vfio_device_read("vfio-pci-other,host=e8:00.5", &d));
		CHECK(!vfio_device_read("{\"driver\":5}", &d));
		CHECK(vfio_device_read("vfio-pci,sysfsdev=/sys/bus/mdev/devices/../../etc", &d));
		CHECK(!d.on_bdf && !*d.uuid);
	}
	TEST("hostpci_index: 0 to 15") {
		CHECK_NUM(hostpci_index("hostpci0"), 0);
		CHECK_NUM(hostpci_index("hostpci15.3"), 15);
		CHECK_NUM(hostpci_index("hostpci16"), -1);
		CHECK_NUM(hostpci_index("hostpci"), -1);
		CHECK_NUM(hostpci_index("hostpcix"), -1);
		CHECK_NUM(hostpci_index(NULL), -1);
	}
}

int main(void)
{
	test_options();
	test_place();
	test_properties();
	test_devices();
	return tap_done();
}
