/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "hostpci_line.h"

#include "cleanup.h"
#include "tap.h"

static void check(const char *has, const char *where, bool pcie, bool x_vga, const char *want)
{
	AUTO_FREE char *got = hostpci_line(has, where, "nvidia-575", pcie, x_vga);
	AUTO_FREE char *again = hostpci_line(got, where, "nvidia-575", pcie, x_vga);

	CHECK_STR(got, want);
	CHECK_STR(again, want);
}

int main(void)
{
	TEST("a line: place, type, and what is asked for alone") {
		check(NULL, "mapping=vgpu-A40", false, false, "mapping=vgpu-A40,mdev=nvidia-575");
		check(NULL, "0000:e8:00.4", true, true, "0000:e8:00.4,mdev=nvidia-575,pcie=1,x-vga=1");
	}
	TEST("a line over another: what it has besides stays behind, in its order") {
		check("0000:e8:00.5,mdev=nvidia-1,rombar=0,pcie=1,romfile=a.rom", "mapping=m1", false, false,
		      "mapping=m1,mdev=nvidia-575,rombar=0,romfile=a.rom");
		check("host=0000:e8:00.5,rombar=0,mdev=nvidia-1", "0000:e8:00.4", false, true,
		      "0000:e8:00.4,mdev=nvidia-575,x-vga=1,rombar=0");
	}
	TEST("a line that says it already comes back as it is") {
		check("mdev=nvidia-575,host=e8:00.4,pcie=on", "0000:e8:00.4", true, false,
		      "mdev=nvidia-575,host=e8:00.4,pcie=on");
		check("rombar=0,mapping=m1,mdev=nvidia-575", "mapping=m1", false, false, "rombar=0,mapping=m1,mdev=nvidia-575");
	}
	return tap_done();
}
