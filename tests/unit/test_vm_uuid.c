/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vm_uuid.h"

#include "cleanup.h"
#include "tap.h"

#define SMBIOS "6F2A1D0E-0000-4000-8000-00000000cafe"

/* The config's own hostpci<N>, and more NVIDIA indices, ended by 16. */
static void check(const char *config, const unsigned int *more, const char *want)
{
	AUTO_VMCONF struct vmconf c = { 0 };
	bool nvidia[VMCONF_HOSTPCI_MAX] = { false };
	AUTO_FREE char *got = NULL;

	CHECK_NUM(vmconf_parse(config, strlen(config), "conf", &c, NULL), 0);
	vm_uuid_mark(&c, nvidia);
	for (; *more < VMCONF_HOSTPCI_MAX; more++)
		nvidia[*more] = true;
	got = vm_uuid(&c, 100, nvidia);
	CHECK_STR(got, want);
}

#define INDICES(...) ((const unsigned int[]){ __VA_ARGS__, 16 })
#define NONE ((const unsigned int[]){ 16 })

int main(void)
{
	TEST("vm_uuid: none without a vGPU of NVIDIA's, even with an SMBIOS uuid") {
		check("smbios1: uuid=" SMBIOS "\n", NONE, NULL);
		check("hostpci0: 0000:e8:00.4\n", NONE, NULL);
		check("hostpci0: 0000:00:02.0,mdev=i915-GVTg_V5_4\n", NONE, NULL);
	}
	TEST("vm_uuid: the SMBIOS uuid as it is written, else that of the first vGPU") {
		check("smbios1: uuid=" SMBIOS "\n", INDICES(1), SMBIOS);
		check("smbios1: serial=YQ==,base64=1\n", INDICES(1), "00000001-0000-0000-0000-000000000100");
		check("name: a\n", INDICES(0), "00000000-0000-0000-0000-000000000100");
	}
	TEST("vm_uuid: what is in the config already counts, by whatever driver's name") {
		check("hostpci0: mapping=a40,mdev=nvidia-575\n", INDICES(1), "00000000-0000-0000-0000-000000000100");
		check("hostpci0: e8:00.4,mdev=vfio-pci-575\n", NONE, "00000000-0000-0000-0000-000000000100");
		check("hostpci0: e8:00.4\n", INDICES(3), "00000003-0000-0000-0000-000000000100");
	}
	TEST("vm_uuid: the first one is so by its text, as qemu-server sorts") {
		check("name: a\n", INDICES(2, 10), "00000010-0000-0000-0000-000000000100");
		check("name: a\n", INDICES(9, 15), "00000015-0000-0000-0000-000000000100");
		check("name: a\n", INDICES(1, 10), "00000001-0000-0000-0000-000000000100");
		check("name: a\n", INDICES(3, 2), "00000002-0000-0000-0000-000000000100");
	}
	return tap_done();
}
