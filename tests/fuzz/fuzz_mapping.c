/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /etc/pve/mapping/pci.cfg. */
#include "fuzz.h"
#include "mapping.h"

static void judge_entry(const struct mapping_entry *m)
{
	struct mapping_entry again = { 0 };

	mapping_entry_parse(m->raw, &again);
	must_equal(again.raw, m->raw, "an entry's text is its text");
	must(again.bad == m->bad, "an entry is read in one way");
	must(m->bad || (m->node && m->id && m->paths.n), "a good entry has node, id and path");
	mapping_entry_is(m, &(struct bdf){ 0, 0xe8, 0, 4 });
	mapping_entry_free(&again);
}

static char *print(const struct mapping_list *l)
{
	char *text;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < l->n; i++) {
		fprintf(f, "%s\n", l->m[i].id);
		for (size_t k = 0; k < l->m[i].n; k++)
			fprintf(f, "\tmap %s\n", l->m[i].entries[k].raw);
		fprintf(f, "\tmdev %d\n\tlive-migration-capable %d\n\n", l->m[i].mdev, l->m[i].live_migration);
	}
	fclose(f);
	return text;
}

FUZZ(text, len)
{
	AUTO_MAPPINGS struct mapping_list l = { 0 }, again = { 0 };

	if (mapping_list_parse(text, len, "pci.cfg", &l, NULL) < 0)
		return;
	for (size_t i = 0; i < l.n; i++) {
		must(mapping_find(&l, l.m[i].id), "a mapping is found by its id");
		for (size_t k = 0; k < l.m[i].n; k++)
			judge_entry(&l.m[i].entries[k]);
	}

	AUTO_FREE char *once = print(&l);

	must(mapping_list_parse(once, strlen(once), "printed", &again, NULL) == 0, "what was printed is read");

	AUTO_FREE char *twice = print(&again);

	must_equal(twice, once, "print of parse of print is print");
}
