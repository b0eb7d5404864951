/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "pkg_version.h"

#include <errno.h>

#include "tree.h"

static const char status[] =
	"Package: qemu-server\nStatus: install ok installed\nSection: admin\nVersion: 8.2.5\nDescription: VMs\n"
	" Version: 1.0\n .\n more\n\n"
	"Package: qemu-server-extra\nStatus: install ok installed\nVersion: 1\n\n"
	"Package: old\nStatus: deinstall ok config-files\nVersion: 3\n\n"
	"Package: gone\nStatus: purge ok not-installed\n\n"
	"Package: new\nStatus: install ok triggers-awaited\nVersion: 1:2-3\n\n"
	"package: last\nstatus: install ok unpacked\nversion: 4";

static void check_version(const char *package, const char *want)
{
	AUTO_FREE char *got = NULL;

	CHECK_NUM(package_version(&tree, package, &got, NULL), want ? 0 : -ENOENT);
	CHECK_STR(got, want);
}

/* In dpkg's order, each before the next. */
static void check_order(const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < n; j++)
			if (version_at_least(v[i], v[j]) != (i >= j)) {
				CHECK_STR(v[i], i >= j ? "not before:" : "before:");
				CHECK_STR(v[j], "");
			}
}

int main(void)
{
	tree_begin();

	TEST("package_version: without dpkg's list it says which file is missing") {
		AUTO_ERR struct err e = { 0 };
		char *got = NULL;

		CHECK_NUM(package_version(&tree, "qemu-server", &got, &e), -ENOENT);
		CHECK_HAS(e.msg, "version of package 'qemu-server': read '/var/lib/dpkg/status'");
	}
	TEST("package_version: of what is installed, by its whole name") {
		tree_put("var/lib/dpkg/status", status);
		check_version("qemu-server", "8.2.5");
		check_version("qemu-server-extra", "1");
		check_version("new", "1:2-3");
		check_version("last", "4");
		check_version("old", NULL);
		check_version("gone", NULL);
		check_version("qemu", NULL);
	}
	TEST("package_version: a list of nothing has nothing") {
		tree_put("var/lib/dpkg/status", "");
		check_version("qemu-server", NULL);
		tree_put("var/lib/dpkg/status", "\n\n\nPackage: qemu-server\n");
		check_version("qemu-server", NULL);
	}
	TEST("version_at_least: in dpkg's order") {
		static const char *const v[] = {
			"0~", "0", "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0-1", "1.0-1+b1", "1.0-10", "1.0a", "1.0+a", "1.0.1",
			"6.4-2", "7.1-4", "7.2-2", "7.2-4", "7.2-10", "7.4-3", "8.0~rc1", "8.0.4", "8.0.10", "8.2.5",
			"9.0.20~1", "9.0.20", "99999999999999999999", "100000000000000000000", "1:0", "1:1-a-1",
		};

		check_order(v, ARRAY_SIZE(v));
	}
	TEST("version_at_least: what is written in another way is the same") {
		static const char *const same[][2] = {
			{ "1.0", "1.0-0" }, { "0:1", "1" }, { "1.01", "1.1" }, { "", "0" },
		};

		for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
			CHECK(version_at_least(same[i][0], same[i][1]));
			CHECK(version_at_least(same[i][1], same[i][0]));
		}
	}
	return tap_done();
}
