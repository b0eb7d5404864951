/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_file.h"

#include <errno.h>

#include "cleanup.h"
#include "cluster.h"

int settings_read(const struct root *r, struct settings *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	int rc = root_read(r, SETTINGS_PATH, &text, &len, e);

	if (rc == -ENOENT) {
		rc = cluster_mounted(r, e);
		if (rc == 0)
			err_clear(e);
		else
			fail_in(e, rc, "read '/" SETTINGS_PATH "'");
	}
	if (rc < 0)
		return rc;
	settings_parse(text ? text : "", len, "/" SETTINGS_PATH, out);
	return 0;
}
