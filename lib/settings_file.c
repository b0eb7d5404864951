/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_file.h"

#include <errno.h>

#include "cleanup.h"
#include "cluster.h"
#include "xalloc.h"

int settings_read_text(const struct root *r, char **text, size_t *len, struct settings *out,
		       struct err *e)
{
	int rc = root_read(r, SETTINGS_PATH, text, len, e);

	if (rc == -ENOENT) {
		rc = cluster_mounted(r, e);
		if (rc < 0)
			return fail_in(e, rc, "read '/" SETTINGS_PATH "'");
		err_clear(e);
		*text = xstrdup("");
		*len = 0;
	}
	if (rc < 0)
		return rc;
	settings_parse(*text, *len, "/" SETTINGS_PATH, out);
	return 0;
}

int settings_read(const struct root *r, struct settings *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	return settings_read_text(r, &text, &len, out, e);
}
