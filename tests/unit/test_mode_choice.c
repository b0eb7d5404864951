/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* pve-helper/mode_choice is no part of the library. */
#include "../../pve-helper/mode_choice.c"

#include "tap.h"

/* An NVIDIA vGPU on the mdev bus, nothing else asked for. */
static struct mode_facts on_mdev(const char *version)
{
	return (struct mode_facts){
		.qemu_server = version, .mdev = true, .nvidia = true, .inject_uuid = true,
	};
}

static struct mode_facts on_vendor(const char *version)
{
	return (struct mode_facts){
		.qemu_server = version, .vendor = true, .nvidia = true, .inject_uuid = true,
	};
}

/* The mode and why, "native mapping: …" or "native address: …", and its price behind " | "; or "no: …". */
static char *choose(struct mode_facts f)
{
	AUTO_MODE_CHOICE struct mode_choice c = { 0 };
	AUTO_ERR struct err e = { 0 };

	if (mode_choose(&f, &c, &e) < 0)
		return xasprintf("no: %s", e.msg);
	return xasprintf("%s%s: %s | %s", vm_mode_name(c.mode),
			 c.mode != MODE_NATIVE ? "" : c.mapping ? " mapping" : " address", c.why,
			 c.price ? c.price : "none");
}

#define CHECK_CHOICE(f, begins) do { \
		AUTO_FREE char *got_ = choose(f); \
		AUTO_FREE char *head_ = xstrndup(got_, strlen(begins)); \
		CHECK_STR(head_, begins); \
	} while (0)

#define CHECK_SAYS(f, part) do { \
		AUTO_FREE char *got_ = choose(f); \
		CHECK_HAS(got_, part); \
	} while (0)

static bool says(struct mode_facts f, const char *part)
{
	AUTO_FREE char *got = choose(f);

	return strstr(got, part) != NULL;
}

static void test_no_uuid_of_qemu_server(void)
{
	TEST("7.1 to 7.2-3: no -uuid from qemu-server, so args bring it, or native with the wrapper's") {
		static const char *const versions[] = { "7.1-4", "7.2-3" };

		for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
			struct mode_facts f = on_mdev(versions[i]);

			CHECK_CHOICE(f, "args: not native: qemu-server 7.");
			CHECK_SAYS(f, "gives QEMU no -uuid");
			f.wrapper = true;
			CHECK_CHOICE(f, "native address: ");
			CHECK_SAYS(f, "QEMU's -uuid comes from the wrapper");
			f.inject_uuid = false;
			CHECK_CHOICE(f, "args: ");
		}
	}
	TEST("before 7.2-4: a -uuid of the admin's in args will do, and what is not NVIDIA's needs none") {
		struct mode_facts f = on_mdev("7.1-4");

		f.own_uuid = true;
		CHECK_CHOICE(f, "native address: ");
		f.own_uuid = f.nvidia = false;
		CHECK_CHOICE(f, "native address: ");
	}
	TEST("before 7.2-4: native alone is refused where nobody gives a -uuid") {
		struct mode_facts f = on_mdev("7.2-3");

		f.asked = MODE_NATIVE;
		CHECK_CHOICE(f, "no: mode native cannot do it on this node: qemu-server 7.2-3 gives QEMU no -uuid");
	}
}

static void test_native_by_address(void)
{
	TEST("7.2-4: native by address, whose UUID the guest sees in place of its own") {
		struct mode_facts f = on_mdev("7.2-4");

		CHECK_CHOICE(f, "native address: qemu-server 7.2-4 attaches it at the address");
		CHECK(!says(f, "SMBIOS"));
		f.smbios_uuid = true;
		CHECK_SAYS(f, "qemu-server 7.2-4 gives the guest the vGPU's UUID in place of its SMBIOS one");
	}
	TEST("7.2-6 and 7.2-7: the path of the device and the clean-up change, and not the mode") {
		CHECK_CHOICE(on_mdev("7.2-6"), "native address: ");
		CHECK_CHOICE(on_mdev("7.2-7"), "native address: ");
	}
	TEST("7.4-1: native by address, and the guest keeps its UUID") {
		struct mode_facts f = on_mdev("7.4-1");

		f.smbios_uuid = true;
		CHECK_CHOICE(f, "native address: ");
		CHECK(!says(f, "SMBIOS"));
		CHECK_SAYS(f, "| it stays at that address");
	}
}

static void test_native_by_mapping(void)
{
	TEST("8.0.4: a mapping, also with params, gpu and placement, for what the hook makes is adopted") {
		struct mode_facts f = on_mdev("8.0.4");

		CHECK_CHOICE(on_mdev("8.0.3"), "native address: ");
		CHECK_CHOICE(f, "native mapping: qemu-server 8.0.4 attaches it, on any parent of the mapping with room | none");
		f.params = f.gpu = f.placement = true;
		CHECK_CHOICE(f, "native mapping: qemu-server 8.0.4 attaches it, on the parent of the mapping that the hookscript picks");
		CHECK_SAYS(f, "| none");
	}
}

static void test_vendor_vfio(void)
{
	TEST("8.2.5: vendor VFIO, which before needs the wrapper") {
		struct mode_facts f = on_vendor("8.2.4");

		CHECK_CHOICE(f, "no: no mode can do it on this node: native: qemu-server 8.2.4 does not know NVIDIA's vendor VFIO");
		f.wrapper = true;
		CHECK_CHOICE(f, "wrapper: not native: qemu-server 8.2.4 does not know");
		CHECK_CHOICE(on_vendor("8.2.5"), "native mapping: qemu-server 8.2.5 attaches it, on any VF of the mapping that is free");
	}
	TEST("8.2.5 to 9.0.0: `qm showcmd` makes a vendor vGPU, and that is said") {
		CHECK_SAYS(on_vendor("8.2.5"), "`qm showcmd` of qemu-server 8.2.5 makes the vGPU");
		CHECK_SAYS(on_vendor("9.0.0"), "`qm showcmd` of qemu-server 9.0.0 makes the vGPU");
		CHECK(!says(on_vendor("9.0.1"), "showcmd"));
		CHECK(!says(on_mdev("8.2.5"), "showcmd"));
	}
}

static void test_live_migration(void)
{
	TEST("8.3.9: live migration, which modes without a hostpci line do not have") {
		struct mode_facts f = on_mdev("8.3.9");

		CHECK_SAYS(f, "| none");
		f.display = true;
		CHECK_SAYS(f, "it does not migrate live");
		f.qemu_server = "8.3.8";
		CHECK(!says(f, "live"));
	}
}

static void test_other_pci_domains(void)
{
	TEST("9.0.2: vendor VFs in PCI domains other than 0000") {
		struct mode_facts f = on_vendor("9.0.1");

		f.other_domain = true;
		CHECK_CHOICE(f, "no: no mode can do it on this node: native: qemu-server 9.0.1 does not know NVIDIA's VFs in PCI domains");
		f.wrapper = true;
		CHECK_CHOICE(f, "wrapper: ");
		f.qemu_server = "9.0.2";
		CHECK_CHOICE(f, "native mapping: ");
		f = on_mdev("8.4.1");
		f.other_domain = true;
		CHECK_CHOICE(f, "native mapping: ");
	}
}

static void test_where_the_types_come_from(void)
{
	TEST("9.1.11 and 9.2.6: where qemu-server has the types from makes no difference") {
		CHECK_CHOICE(on_vendor("9.1.11"), "native mapping: ");
		CHECK_CHOICE(on_mdev("9.2.6"), "native mapping: ");
		CHECK_SAYS(on_vendor("9.2.6"), "| none");
	}
}

static void test_vendor_with_gpu_or_params(void)
{
	TEST("vendor VFIO with gpu or params: the address, for with a mapping qemu-server picks the VF") {
		struct mode_facts f = on_vendor("9.2.6");

		f.gpu = true;
		CHECK_CHOICE(f, "native address: ");
		f.gpu = false;
		f.params = true;
		CHECK_CHOICE(f, "native address: ");
		f.wrapper = true;
		CHECK_CHOICE(f, "native mapping: ");
		CHECK_SAYS(f, "its params are written by the wrapper");
	}
}

static void test_placement(void)
{
	TEST("placement where an address would pin it: the wrapper, else args, else the address all the same") {
		struct mode_facts f = on_vendor("9.2.6");

		f.placement = true;
		CHECK_CHOICE(f, "native address: ");
		CHECK_SAYS(f, "it stays at that address, whatever 'placement' says");
		f.wrapper = true;
		CHECK_CHOICE(f, "wrapper: not native: with vendor VFIO qemu-server 9.2.6 adopts");
		f = on_mdev("7.4-1");
		f.placement = true;
		CHECK_CHOICE(f, "args: not native: a hostpci line of qemu-server 7.4-1 names one address");
	}
}

static void test_several_choices(void)
{
	TEST("several choices: args, or the wrapper, else the first one alone") {
		struct mode_facts f = on_mdev("9.2.6");

		f.several = true;
		CHECK_CHOICE(f, "args: not native: a hostpci line takes one type");
		f.x_vga = true;
		CHECK_CHOICE(f, "native mapping: ");
		CHECK_SAYS(f, "the first type that this node knows is the only one");
		f.wrapper = true;
		CHECK_CHOICE(f, "wrapper: not native: a hostpci line takes one type, and there are several choices; not args: args cannot give");
		f = on_vendor("9.2.6");
		f.several = true;
		CHECK_CHOICE(f, "native mapping: ");
	}
}

static void test_display_ramfb_x_vga(void)
{
	TEST("display and ramfb: never native; x-vga: never args") {
		struct mode_facts f = on_mdev("9.2.6");

		f.ramfb = true;
		CHECK_CHOICE(f, "args: not native: qemu-server does not give a device 'ramfb'");
		f.x_vga = true;
		CHECK_CHOICE(f, "no: no mode can do it on this node: native: qemu-server does not give a device 'ramfb'; args: args cannot give");
		f.wrapper = true;
		CHECK_CHOICE(f, "wrapper: ");
		f.ramfb = false;
		CHECK_CHOICE(f, "native mapping: ");
	}
}

static void test_mode_asked_for(void)
{
	TEST("a mode that is asked for, and one that stands in the settings") {
		struct mode_facts f = on_mdev("9.2.6");

		f.asked = MODE_ARGS;
		CHECK_CHOICE(f, "args: as asked | PVE does not know of the device");
		f.kept = true;
		CHECK_CHOICE(f, "args: the settings have mode = args (--mode auto chooses anew)");
		f.x_vga = true;
		CHECK_CHOICE(f, "no: mode args cannot do it on this node: args cannot give the CPU flags of x-vga");
		f.asked = MODE_WRAPPER;
		CHECK_CHOICE(f, "no: mode wrapper cannot do it on this node: the wrapper is not on this node");
		f.asked = MODE_NATIVE;
		f.x_vga = false;
		CHECK_CHOICE(f, "native mapping: the settings have mode = native");
		f.mdev = false;
		f.vendor = true;
		f.asked = MODE_ARGS;
		CHECK_CHOICE(f, "no: mode args cannot do it on this node: args name an mdev, and NVIDIA's vendor VFIO has none");
	}
}

static void test_unknown_version(void)
{
	TEST("qemu-server of unknown version is taken for an old one") {
		struct mode_facts f = on_mdev(NULL);

		CHECK_CHOICE(f, "args: not native: qemu-server of unknown version gives QEMU no -uuid");
		CHECK_CHOICE(on_vendor(NULL), "no: ");
	}
}

int main(void)
{
	test_no_uuid_of_qemu_server();
	test_native_by_address();
	test_native_by_mapping();
	test_vendor_vfio();
	test_live_migration();
	test_other_pci_domains();
	test_where_the_types_come_from();
	test_vendor_with_gpu_or_params();
	test_placement();
	test_several_choices();
	test_display_ramfb_x_vga();
	test_mode_asked_for();
	test_unknown_version();
	return tap_done();
}
