/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mig_memo.h"

#include <json-c/json.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "json_util.h"
#include "rundir.h"
#include "xalloc.h"

#define MEMO	RUN_DIR "/mig.json"

/* The file; "" where it is not there. The caller frees it. */
static char *memo_text(const struct root *r, size_t *len)
{
	char *text;

	if (root_read(r, MEMO, &text, len, NULL) == 0)
		return text;
	*len = 0;
	return xstrdup("");
}

/* An object, also where the text is not what we wrote. */
static struct json_object *load(const char *text, size_t len)
{
	struct json_object *all = json_parse(text, len);

	if (all && json_object_is_type(all, json_type_object))
		return all;
	json_put(&all);
	return json_object_new_object();
}

static bool take_row(struct json_object *o, struct mig_table *t)
{
	const char *profile = json_str(o, "profile");
	uint64_t id = json_num(o, "id", UINT64_MAX, UINT_MAX);
	struct mig_profile p;

	if (!profile || id == UINT64_MAX || !mig_profile_parse(profile, &p))
		return false;

	struct mig_row *row = GROW(t->row, t->n);

	*row = (struct mig_row){ .id = (unsigned int)id, .profile = xstrdup(profile) };
	return true;
}

bool mig_memo_parse(const char *text, size_t len, const struct bdf *gpu, const char *driver,
		    struct mig_table *out)
{
	AUTO_JSON struct json_object *all = load(text, len);
	AUTO_MIG_TABLE struct mig_table t = { 0 };
	struct json_object *of_gpu = json_obj(all, BDF_STR(gpu));
	const char *its = of_gpu ? json_str(of_gpu, "driver") : NULL;
	struct json_object *rows = of_gpu ? json_arr(of_gpu, "instances") : NULL;

	if (!its || !rows || strcmp(its, driver))
		return false;
	for (size_t i = 0; i < json_object_array_length(rows); i++)
		if (!take_row(json_object_array_get_idx(rows, i), &t))
			return false;
	*out = t;
	t = (struct mig_table){ 0 };
	return true;
}

bool mig_memo_read(const struct root *r, const struct bdf *gpu, const char *driver,
		   struct mig_table *out)
{
	size_t len;
	AUTO_FREE char *text = memo_text(r, &len);

	return mig_memo_parse(text, len, gpu, driver, out);
}

char *mig_memo_with(const char *text, size_t len, const struct bdf *gpu, const char *driver,
		    const struct mig_table *t)
{
	AUTO_JSON struct json_object *all = load(text, len);
	struct json_object *of_gpu = json_object_new_object();
	struct json_object *rows = json_object_new_array();

	json_add_str(of_gpu, "driver", driver);
	for (size_t i = 0; i < t->n; i++) {
		struct json_object *row = json_object_new_object();

		json_add_num(row, "id", t->row[i].id);
		json_add_str(row, "profile", t->row[i].profile);
		json_object_array_add(rows, row);
	}
	json_object_object_add(of_gpu, "instances", rows);
	json_object_object_add(all, BDF_STR(gpu), of_gpu);
	return json_print(all);
}

void mig_memo_write(const struct root *r, const struct bdf *gpu, const char *driver,
		    const struct mig_table *t)
{
	size_t len;
	AUTO_FREE char *old = memo_text(r, &len);
	AUTO_FREE char *text = mig_memo_with(old, len, gpu, driver, t);

	if (rundir_make(r, RUN_DIR, NULL) == 0)
		root_replace(r, MEMO, text, 0644, NULL);
}
