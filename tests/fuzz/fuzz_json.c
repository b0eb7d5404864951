/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* JSON of our own caches: mig.json and types.json; and JSON as such. */
#include "catalog.h"
#include "fuzz.h"
#include "json_util.h"
#include "mig_memo.h"

static void judge_json(const char *text, size_t len)
{
	AUTO_JSON struct json_object *o = json_parse(text, len);

	if (!o)
		return;

	AUTO_FREE char *once = json_print(o);
	AUTO_JSON struct json_object *again = json_parse(once, strlen(once));
	AUTO_FREE char *twice = again ? json_print(again) : NULL;

	must_equal(twice, once, "print of parse of print is print");
}

static void judge_catalog(const char *text, size_t len)
{
	AUTO_CATALOG struct catalog c = { .driver = xstrdup("") }, d = { .driver = xstrdup("") };

	catalog_parse(&c, text, len, true);

	AUTO_FREE char *once = catalog_print(&c);

	catalog_parse(&d, once, strlen(once), false);

	AUTO_FREE char *twice = catalog_print(&d);

	must_equal(twice, once, "print of parse of print is print");
}

static void judge_memo(const char *text, size_t len)
{
	static const char driver[] = "550";
	struct bdf gpu = { 0, 0xe8, 0, 0 };
	AUTO_MIG_TABLE struct mig_table t = { 0 };

	if (!mig_memo_parse(text, len, &gpu, driver, &t))
		return;

	AUTO_FREE char *once = mig_memo_with(text, len, &gpu, driver, &t);
	AUTO_FREE char *twice = mig_memo_with(once, strlen(once), &gpu, driver, &t);

	must_equal(twice, once, "to keep it twice is to keep it once");
}

FUZZ(text, len)
{
	judge_json(text, len);
	judge_catalog(text, len);
	judge_memo(text, len);
}
