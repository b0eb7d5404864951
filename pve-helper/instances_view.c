/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "instances_view.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "json_util.h"
#include "mig_room.h"
#include "term.h"
#include "xalloc.h"

/* The driver's no goes before what the instances seem to take. */
static unsigned int room_for(const struct gpu *g, const struct gpu_instance *in,
			     const struct offer *o)
{
	return o->known && !o->yes ? 0 : mig_instance_room(g, in, o->type);
}

struct json_object *instances_json(const struct inventory *inv, const struct gpu *g,
				   const struct offer *o)
{
	struct json_object *rows;

	if (!g->ninstances && !g->all_instances)
		return NULL;
	rows = json_object_new_array();
	for (size_t i = 0; i < g->ninstances; i++) {
		const struct gpu_instance *in = &g->instances[i];
		struct json_object *row = json_object_new_object();
		bool counted = mig_is_counted(inv, g, in);

		json_add_num(row, "id", in->id);
		json_add_str(row, "profile", in->profile);
		if (counted)
			json_add_num(row, "vgpus", in->vgpus);
		else
			json_add_str(row, "vgpus", NULL);
		if (counted || (o->known && !o->yes))
			json_add_num(row, "available", room_for(g, in, o));
		else
			json_add_str(row, "available", NULL);
		json_object_array_add(rows, row);
	}
	return rows;
}

/* "1", or "1 to 12" where that depends on the type; "?" where it is not known. */
static char *more(const struct inventory *inv, const struct gpu *g, const struct gpu_instance *in)
{
	unsigned int least = UINT_MAX, most = 0;

	if (!mig_is_counted(inv, g, in))
		return xstrdup("?");
	for (size_t i = 0; i < g->noffers; i++) {
		unsigned int n = room_for(g, in, &g->offers[i]);

		if (!n)
			continue;
		least = n < least ? n : least;
		most = n > most ? n : most;
	}
	return least < most ? xasprintf("%u to %u", least, most) : xasprintf("%u", most);
}

static void add_row(struct table *t, const struct inventory *inv, const struct gpu *g,
		    const struct gpu_instance *in)
{
	AUTO_FREE char *id = xasprintf("%u", in->id);
	AUTO_FREE char *vgpus = mig_is_counted(inv, g, in) ? xasprintf("%u", in->vgpus) : xstrdup("?");
	AUTO_FREE char *room = more(inv, g, in);

	TABLE_ROW(t, STYLE_NONE, BDF_STR(&g->addr), id, in->profile ? in->profile : "?", vgpus, room);
}

void instances_print(const struct inventory *inv)
{
	AUTO_TABLE struct table t = { 0 };

	TABLE_HEADER(&t, "GPU", "INSTANCE", "PROFILE", "VGPUS", "MORE");
	for (size_t i = 0; i < inv->ngpus; i++)
		for (size_t k = 0; k < inv->gpus[i].ninstances; k++)
			add_row(&t, inv, &inv->gpus[i], &inv->gpus[i].instances[k]);
	if (t.n < 2)
		return;
	if (term_is_tty(stdout))
		putchar('\n');
	table_print(&t, stdout);
}
