/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cleanup.h"
#include "hostpci_edit.h"
#include "tap.h"

static void check(const char *value, const char *want)
{
	AUTO_FREE char *got = hostpci_with_mdev(value, "nvidia-1");

	CHECK_STR(got, want);
}

int main(void)
{
	TEST("the type alone is changed, wherever it stands") {
		check("0000:e8:00.4,mdev=nvidia-575", "0000:e8:00.4,mdev=nvidia-1");
		check("0000:e8:00.4,mdev=nvidia-575,pcie=1", "0000:e8:00.4,mdev=nvidia-1,pcie=1");
		check("mdev=x,mapping=a40", "mdev=nvidia-1,mapping=a40");
		check("mapping=mdev=y,mdev=x, x-vga=1", "mapping=mdev=y,mdev=nvidia-1, x-vga=1");
	}
	TEST("a value without it stays") {
		check("0000:e8:00.4", "0000:e8:00.4");
		check("0000:e8:00.4,xmdev=a,", "0000:e8:00.4,xmdev=a,");
		check("", "");
	}
	return tap_done();
}
