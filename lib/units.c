/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "units.h"

#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

#define OWN	"etc/systemd/system"

static const char *const dirs[] = {
	OWN, "run/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
};

/* Where it is, from the root, which the caller frees; NULL: nowhere, or it is masked. */
static char *find(const struct root *r, const char *name, enum unit_state *state)
{
	*state = UNIT_MISSING;
	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", dirs[i], name);
		AUTO_FREE char *target = NULL;

		/* The first one counts; masked it is a link to /dev/null. */
		if (root_readlink(r, path, &target, NULL) == 0 && !strcmp(target, "/dev/null")) {
			*state = UNIT_MASKED;
			return NULL;
		}
		if (root_exists(r, path)) {
			*state = UNIT_THERE;
			return take_ptr(path);
		}
	}
	return NULL;
}

enum unit_state unit_look(const struct root *r, const char *name)
{
	enum unit_state state;

	free(find(r, name, &state));
	return state;
}

static bool ends_in(const char *name, const char *end)
{
	size_t len = strlen(name), n = strlen(end);

	return len > n && !strcmp(name + len - n, end);
}

static void append(const struct root *r, const char *path, FILE *f)
{
	AUTO_FREE char *text = NULL;
	size_t len;

	if (root_read(r, path, &text, &len, NULL) == 0)
		fprintf(f, "%s\n", text);
}

/* Of drop-ins of one name in several directories systemd takes the first; their order among each other is by name. */
static void append_drop_ins(const struct root *r, const char *name, FILE *f)
{
	AUTO_STRLIST struct strlist all = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		AUTO_FREE char *dir = xasprintf("%s/%s.d", dirs[i], name);
		AUTO_STRLIST struct strlist files = { 0 };

		if (root_list(r, dir, &files, NULL) < 0)
			continue;
		for (size_t k = 0; k < files.n; k++)
			if (ends_in(files.s[k], ".conf") && !strlist_has(&all, files.s[k]))
				strlist_add(&all, files.s[k]);
	}
	strlist_sort(&all);
	for (size_t k = 0; k < all.n; k++) {
		size_t i = 0;
		AUTO_FREE char *path = NULL;

		do {
			free(path);
			path = xasprintf("%s/%s.d/%s", dirs[i], name, all.s[k]);
		} while (!root_exists(r, path) && ++i < ARRAY_SIZE(dirs));
		append(r, path, f);
	}
}

char *unit_text(const struct root *r, const char *name)
{
	enum unit_state state;
	AUTO_FREE char *path = find(r, name, &state);
	char *text = NULL;
	size_t len;
	FILE *f;

	if (!path)
		return NULL;
	f = xmemstream(&text, &len);
	append(r, path, f);
	append_drop_ins(r, name, f);
	fclose(f);
	return text;
}

void units_wanted(const struct root *r, struct strlist *out)
{
	AUTO_STRLIST struct strlist names = { 0 };

	if (root_list(r, OWN, &names, NULL) < 0)
		return;
	strlist_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		AUTO_FREE char *path = xasprintf(OWN "/%s", names.s[i]);
		AUTO_STRLIST struct strlist units = { 0 };

		if ((!ends_in(names.s[i], ".wants") && !ends_in(names.s[i], ".requires")) ||
		    root_list(r, path, &units, NULL) < 0)
			continue;
		for (size_t k = 0; k < units.n; k++)
			strlist_add(out, units.s[k]);
	}
}
