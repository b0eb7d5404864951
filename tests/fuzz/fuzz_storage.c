/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* /etc/pve/storage.cfg, and the table of `pvesm status`, behind a first line that is a volume id. */
#include "fuzz.h"
#include "section_config.h"
#include "storage.h"

static void print_storage(const struct storage *s, FILE *f)
{
	AUTO_FREE char *content = strlist_join(&s->content, ",");
	AUTO_FREE char *nodes = strlist_join(&s->nodes, ",");

	fprintf(f, "%s: %s\n", s->type, s->id);
	if (s->path)
		fprintf(f, "\tpath %s\n", s->path);
	if (s->snippets)
		fprintf(f, "\tcontent-dirs snippets=%s\n", s->snippets);
	fprintf(f, "\tcontent %s\n", content);
	if (s->nodes.n)
		fprintf(f, "\tnodes %s\n", nodes);
	fprintf(f, "\tshared %d\n\tdisable %d\n\n", s->shared, s->disabled);
}

static char *print(const struct storage_list *l)
{
	char *text;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < l->n; i++)
		print_storage(&l->s[i], f);
	fclose(f);
	return text;
}

static void judge_path(const struct storage_list *l, const char *volid, const char *path)
{
	AUTO_FREE char *id = xstrndup(volid, strcspn(volid, ":"));
	const struct storage *s = storage_find(l, id);
	AUTO_FREE char *dir = storage_snippets_dir(s);
	const char *name = strrchr(path, '/') + 1;

	must(*path == '/', "a snippet's path begins at the root");
	must((size_t)(name - path) == strlen(dir) + 1 && !strncmp(path, dir, strlen(dir)), "a snippet lies where its storage has them");
	must(*name && strcmp(name, ".") != 0 && strcmp(name, "..") != 0, "a snippet is a file there");
	must(!strstr(dir + strlen(s->path), ".."), "a storage's snippets lie in it");
}

FUZZ(text, len)
{
	const char *file = text;
	AUTO_FREE char *volid = fuzz_line(&file);
	AUTO_STORAGES struct storage_list l = { 0 }, again = { 0 };
	AUTO_FREE char *path = NULL, *status = storage_status_word(file, "local");

	must(!status || !status[strcspn(status, " \n")], "a storage's status is one word");

	if (storage_list_parse(file, len - (size_t)(file - text), "storage.cfg", &l, NULL) < 0)
		return;
	if (storage_snippet_path(&l, volid, &path, NULL) == 0)
		judge_path(&l, volid, path);

	AUTO_FREE char *once = print(&l);

	must(storage_list_parse(once, strlen(once), "printed", &again, NULL) == 0, "what was printed is read");

	AUTO_FREE char *twice = print(&again);

	must_equal(twice, once, "print of parse of print is print");
}
