/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "identity.h"

#include "cleanup.h"
#include "tap.h"

#define UUID "242e5ea7-90e2-4d6e-afeb-a0b9a656c108"

static char *of(const char *config)
{
	AUTO_VMCONF struct vmconf c = { 0 };

	CHECK_NUM(vmconf_parse(config, strlen(config), "conf", &c, NULL), 0);
	return identity_of(&c);
}

static void check_of(const char *config, const char *want)
{
	AUTO_FREE char *got = of(config);

	CHECK_STR(got, want);
}

static bool matches(const char *identity, const char *config)
{
	AUTO_VMCONF struct vmconf c = { 0 };

	CHECK_NUM(vmconf_parse(config, strlen(config), "conf", &c, NULL), 0);
	return identity_matches(identity, &c);
}

int main(void)
{
	TEST("identity_of: the creation time and the SMBIOS uuid in lower case, one of them, or nothing") {
		check_of("meta: creation-qemu=9.0.2,ctime=1690000000\nsmbios1: uuid=" UUID "\n", "ctime:1690000000, uuid:" UUID);
		check_of("meta: creation-qemu=9.0.2,ctime=1690000000\n", "ctime:1690000000");
		check_of("meta: creation-qemu=6.1.0\nsmbios1: uuid=" UUID "\n", "uuid:" UUID);
		check_of("smbios1: serial=YQ==,uuid=242E5EA7-90E2-4D6E-AFEB-A0B9A656C108,base64=1\n", "uuid:" UUID);
		check_of("smbios1: serial=YQ==\n", NULL);
		check_of("name: a\n", NULL);
	}
	TEST("identity_of: what PVE could not have written counts for nothing") {
		check_of("meta: ctime=1e9\nsmbios1: uuid=" UUID "\n", "uuid:" UUID);
		check_of("meta: ctime=-1\n", NULL);
		check_of("smbios1: uuid=242e5ea7\n", NULL);
		check_of("meta: ctime=1,ctime=2\n", NULL);
	}
	TEST("identity_matches: nothing recorded is any VM's") {
		CHECK(matches(NULL, "name: a\n"));
		CHECK(matches(NULL, "meta: ctime=1\n"));
	}
	TEST("identity_matches: the recorded property alone is compared") {
		CHECK(matches("ctime:1690000000", "meta: ctime=1690000000\n"));
		CHECK(!matches("ctime:1690000000", "meta: ctime=1690000001\n"));
		CHECK(!matches("ctime:1690000000", "meta: ctime=16900000000\n"));
		CHECK(!matches("ctime:1690000000", "smbios1: uuid=" UUID "\n"));
		CHECK(!matches("ctime:1690000000", "name: a\n"));
		CHECK(matches("uuid:" UUID, "meta: ctime=1\nsmbios1: uuid=" UUID "\n"));
		CHECK(matches("uuid:242E5EA7-90E2-4D6E-AFEB-A0B9A656C108", "smbios1: uuid=" UUID "\n"));
		CHECK(!matches("uuid:" UUID, "smbios1: uuid=242e5ea7-90e2-4d6e-afeb-a0b9a656c109\n"));
		CHECK(!matches("uuid:" UUID, "meta: ctime=1\n"));
	}
	TEST("identity_matches: clones of one template differ by their uuid") {
		CHECK(matches("ctime:1, uuid:" UUID, "meta: ctime=1\nsmbios1: uuid=" UUID "\n"));
		CHECK(matches("ctime:1 ,\tuuid:242E5EA7-90E2-4D6E-AFEB-A0B9A656C108", "meta: ctime=1\nsmbios1: uuid=" UUID "\n"));
		CHECK(!matches("ctime:1, uuid:" UUID, "meta: ctime=1\nsmbios1: uuid=242e5ea7-90e2-4d6e-afeb-a0b9a656c109\n"));
		CHECK(!matches("ctime:1, uuid:" UUID, "meta: ctime=2\nsmbios1: uuid=" UUID "\n"));
		CHECK(!matches("ctime:1, uuid:" UUID, "smbios1: uuid=" UUID "\n"));
	}
	TEST("identity_matches: the creation time alone, where smbios1 was taken out or is not recorded") {
		CHECK(matches("ctime:1, uuid:" UUID, "meta: ctime=1\n"));
		CHECK(!matches("ctime:1, uuid:" UUID, "meta: ctime=12\n"));
		CHECK(matches("ctime:1", "meta: ctime=1\nsmbios1: uuid=" UUID "\n"));
	}
	return tap_done();
}
