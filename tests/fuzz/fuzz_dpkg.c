/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /var/lib/dpkg/status. */
#include "fuzz.h"
#include "pkg_version.h"

FUZZ(text, len)
{
	AUTO_FREE char *version = package_version_in(text, len, "qemu-server");

	if (!version)
		return;
	must(*version && !strchr(version, '\n'), "a version is a line that is not empty");
	must(version_at_least(version, version), "a version is not before itself");
	version_at_least(version, "8.2.5");

	/* Blanks before a NUL are no blanks at the end. */
	if (strlen(text) != len)
		return;

	AUTO_FREE char *printed = xasprintf("Package: qemu-server\nStatus: install ok installed\nVersion: %s\n", version);
	AUTO_FREE char *again = package_version_in(printed, strlen(printed), "qemu-server");

	must_equal(again, version, "parse of print is the version");
}
