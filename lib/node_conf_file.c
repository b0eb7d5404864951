/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node_conf_file.h"

#include <errno.h>

#include "cleanup.h"

int node_conf_read(const struct root *r, struct node_conf *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	size_t len = 0;
	AUTO_ERR struct err why = { 0 };
	int rc = root_read(r, NODE_CONF_PATH, &text, &len, &why);

	if (rc < 0 && rc != -ENOENT)
		return err_move(e, &why, rc);
	node_conf_parse(text ? text : "", text ? len : 0, "/" NODE_CONF_PATH, out);
	return 0;
}
