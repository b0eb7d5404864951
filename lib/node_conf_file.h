/* SPDX-License-Identifier: AGPL-3.0-or-later */
#ifndef NODE_CONF_FILE_H
#define NODE_CONF_FILE_H

#include "node_conf.h"
#include "root.h"

/* Read /etc/pve-vgpu/node.conf. A missing file says nothing. Release with node_conf_free(). */
int node_conf_read(const struct root *r, struct node_conf *out, struct err *e);

#endif
