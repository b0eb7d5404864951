/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "cpu_flags.h"

#include <stdlib.h>

#include "cleanup.h"
#include "tap.h"

static bool becomes(const char *cpu, const char *want)
{
	AUTO_FREE char *got = cpu_for_x_vga(cpu), *twice = cpu_for_x_vga(got);

	if (!strcmp(got, want) && !strcmp(twice, want))
		return true;
	tap_show("got", got);
	tap_show("twice", twice);
	return false;
}

int main(void)
{
	TEST("kvm=off goes where the order of names has it") {
		CHECK(becomes("host", "host,kvm=off"));
		CHECK(becomes("kvm64,enforce,+kvm_pv_eoi,+sep", "kvm64,enforce,kvm=off,+kvm_pv_eoi,+sep"));
		CHECK(becomes("qemu64,+aes,enforce", "qemu64,+aes,enforce,kvm=off"));
		CHECK(becomes("EPYC,level=30,-pcid", "EPYC,level=30,kvm=off,-pcid"));
		CHECK(becomes("EPYC,enforce,guest-phys-bits=39", "EPYC,enforce,kvm=off,guest-phys-bits=39"));
	}
	TEST("what is said of kvm already stays") {
		CHECK(becomes("host,kvm=off", "host,kvm=off"));
		CHECK(becomes("host,-kvm,+x", "host,-kvm,+x"));
	}
	TEST("a Windows guest gets the vendor's id too, unless it has one") {
		CHECK(becomes("host,hv_spinlocks=0x1fff,hv_vapic,hv_vpindex",
			      "host,hv_spinlocks=0x1fff,hv_vapic,hv_vendor_id=proxmox,hv_vpindex,kvm=off"));
		CHECK(becomes("host,hv_spinlocks=0x1fff,hv-vendor-id=ASUS",
			      "host,hv_spinlocks=0x1fff,hv-vendor-id=ASUS,kvm=off"));
		CHECK(becomes("host,+hv-tlbflush", "host,+hv-tlbflush,kvm=off"));
	}
	return tap_done();
}
