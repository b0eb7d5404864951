/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The table of `nvidia-smi mig -lgi`, and what is kept of it in /run/pve-vgpu/mig.json. */
#include "fuzz.h"
#include "mig_memo.h"
#include "mig_table.h"

static char *print(const struct mig_table *t)
{
	char *text;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < t->n; i++)
		fprintf(f, "|   0  MIG %s   19   %u   0:1   |\n", t->row[i].profile, t->row[i].id);
	if (!t->n)
		fputs("No GPU instances found: Not Found\n", f);
	fclose(f);
	return text;
}

static void judge_memo(const struct mig_table *t, const char *once)
{
	static const char driver[] = "NVRM version: 550.163";
	struct bdf gpu = { 0, 0xe8, 0, 0 };
	AUTO_FREE char *memo = mig_memo_with("", 0, &gpu, driver, t);
	AUTO_MIG_TABLE struct mig_table kept = { 0 };

	must(mig_memo_parse(memo, strlen(memo), &gpu, driver, &kept), "what is kept is read");

	AUTO_FREE char *again = print(&kept);

	must_equal(again, once, "what is kept is what was said");
}

FUZZ(text, len)
{
	AUTO_MIG_TABLE struct mig_table t = { 0 }, again = { 0 };

	(void)len;
	if (mig_table_parse(text, &t) < 0)
		return;
	for (size_t i = 1; i < t.n; i++)
		must(t.row[i - 1].id < t.row[i].id, "rows are in order of id");

	AUTO_FREE char *once = print(&t);

	must(mig_table_parse(once, &again) == 0, "what was printed is read");

	AUTO_FREE char *twice = print(&again);

	must_equal(twice, once, "print of parse of print is print");
	judge_memo(&t, once);
}
