/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* Texts of a node that `doctor` reads: unit files, the kernel's command line, versions, who sets sriov_numvfs. */
#include "driver_branch.h"
#include "kernel_cmdline.h"
#include "sriov_others.h"
#include "tap.h"
#include "unit_file.h"

#define GUESTS	"pve-guests.service"

static bool before(const char *text)
{
	return unit_file_lists(text, "Before", GUESTS);
}

static bool others(const char *line)
{
	struct bdf gpu = { 0 };
	struct bdf_list gpus = { &gpu, 1 };

	return bdf_parse("0000:e8:00.0", &gpu) == 0 && sriov_others_line(line, &gpus);
}

int main(void)
{
	TEST("unit_file: a list of [Unit], as each of its lines adds to it") {
		CHECK(before("[Unit]\nBefore=pve-guests.service\n"));
		CHECK(before("[Unit]\nBefore = a.service pve-guests.service b.service"));
		CHECK(before("[Unit]\nBefore=pve-guests.service\nBefore=b.service\n"));
		CHECK(before("[Unit]\nBefore=a.service \\\n# between\n  pve-guests.service\n"));
		CHECK(!before("[Unit]\nAfter=pve-guests.service\n"));
		CHECK(!before("[Unit]\nBeforeX=pve-guests.service\n"));
		CHECK(!before("[Unit]\nBefore=pve-guests.service.d\n"));
		CHECK(!before("[Unit]\n#Before=pve-guests.service\n"));
		CHECK(!before("[Service]\nBefore=pve-guests.service\n"));
		CHECK(!before(""));
		CHECK(!before("[Unit]\nBefore"));
		CHECK(!before("[Unit]\nBefore=a \\"));
	}
	TEST("unit_file: an empty line begins it anew, as in a drop-in") {
		CHECK(!before("[Unit]\nBefore=pve-guests.service\n\n[Unit]\nBefore=\n"));
		CHECK(!before("[Unit]\nBefore=pve-guests.service\nBefore=\nBefore=a.service\n"));
		CHECK(before("[Unit]\nBefore=\n[Install]\nX=1\n[Unit]\nBefore=pve-guests.service\n"));
	}
	TEST("kernel_cmdline: a value among others, and the later one over the former") {
		CHECK(kernel_cmdline_says("ro intel_iommu=off quiet\n", "intel_iommu", "off", "on"));
		CHECK(!kernel_cmdline_says("intel_iommu=off intel_iommu=on", "intel_iommu", "off", "on"));
		CHECK(kernel_cmdline_says("intel_iommu=on,sm_on,off", "intel_iommu", "off", "on"));
		CHECK(kernel_cmdline_says("pci=realloc,noari", "pci", "noari", NULL));
		CHECK(!kernel_cmdline_says("pci=noario", "pci", "noari", NULL));
		CHECK(!kernel_cmdline_says("xpci=noari pcie=noari pci", "pci", "noari", NULL));
		CHECK(!kernel_cmdline_says("", "pci", "noari", NULL));
	}
	TEST("driver_branch: of versions, and the vGPU release that has it") {
		CHECK_NUM(driver_branch("550.163.02"), 550);
		CHECK_NUM(driver_branch("550"), 0);
		CHECK_NUM(driver_branch(""), 0);
		CHECK_NUM(driver_branch("x.1"), 0);
		CHECK_NUM(driver_branch("99999999999999999999.1"), 0);
		CHECK_NUM(driver_vgpu_release(535), 16);
		CHECK_NUM(driver_vgpu_release(550), 17);
		CHECK_NUM(driver_vgpu_release(551), 0);
	}
	TEST("sriov_others: lines that enable VFs of GPUs, and those of network cards") {
		CHECK(others("/usr/lib/nvidia/sriov-manage -e ALL"));
		CHECK(others("ExecStart=/usr/lib/nvidia/sriov-manage -e 00:e8:00.0"));
		CHECK(others("echo 32 > /sys/bus/pci/devices/0000:e8:00.0/sriov_numvfs"));
		CHECK(others("bus/pci/devices/0000:e8:00.0/sriov_numvfs = 32"));
		CHECK(others("ATTR{vendor}==\"0x10de\", ATTR{sriov_numvfs}=\"32\""));
		CHECK(!others("echo 8 > /sys/bus/pci/devices/0000:05:00.0/sriov_numvfs"));
		CHECK(!others("# /usr/lib/nvidia/sriov-manage -e ALL"));
		CHECK(!others("ExecStop=/usr/lib/nvidia/sriov-manage -d ALL"));
		CHECK(!others("cat /sys/bus/pci/devices/0000:e8:00.0/sriov_totalvfs"));
		CHECK(!others(""));
	}
	return tap_done();
}
