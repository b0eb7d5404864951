/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The GPU instances of MIG, for `types`. */
#ifndef INSTANCES_VIEW_H
#define INSTANCES_VIEW_H

#include "inventory.h"

struct json_object;

/*
 * The instances of g, with the room for the type of o; NULL (null in JSON): which
 * ones there are is not known.
 */
struct json_object *instances_json(const struct inventory *inv, const struct gpu *g,
				   const struct offer *o);

/* All instances of the node as a table on stdout; nothing where there are none. */
void instances_print(const struct inventory *inv);

#endif
