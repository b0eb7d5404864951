/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_file.h"

#include <errno.h>

#include "cleanup.h"

/* pmxcfs always shows a few entries of its own; its bare mount point shows none. */
static int check_mounted(const struct root *r, struct err *e)
{
	AUTO_STRLIST struct strlist names = { 0 };
	int rc = root_list(r, "etc/pve", &names, e);

	if (rc < 0 && rc != -ENOENT)
		return rc;
	if (rc == 0 && names.n)
		return 0;
	fail(e, -ENOENT, "read '/" SETTINGS_PATH "': /etc/pve is not mounted");
	err_hint(e, "systemctl status pve-cluster");
	return -ENOENT;
}

int settings_read(const struct root *r, struct settings *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int rc = root_read(r, SETTINGS_PATH, &text, &len, e);

	if (rc == -ENOENT) {
		rc = check_mounted(r, e);
		if (rc == 0)
			err_clear(e);
	}
	if (rc < 0)
		return rc;
	settings_parse(text ? text : "", len, "/" SETTINGS_PATH, out);
	return 0;
}
