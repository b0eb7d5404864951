/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sriov_units.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "xalloc.h"

#define TEMPLATE	"pve-nvidia-sriov@"
#define SUFFIX		".service"

/* Without its template a link of an instance starts nothing, as after a removal. */
static bool has_template(const struct root *r)
{
	static const char *const dirs[] = {
		"etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
	};

	for (size_t i = 0; i < ARRAY_SIZE(dirs); i++) {
		AUTO_FREE char *path = xasprintf("%s/" TEMPLATE SUFFIX, dirs[i]);
		AUTO_FREE char *target = NULL;

		/* The first one counts; masked it is a link to /dev/null. */
		if (root_readlink(r, path, &target, NULL) == 0 && !strcmp(target, "/dev/null"))
			return false;
		if (root_exists(r, path))
			return true;
	}
	return false;
}

static bool is_for(const char *unit, const struct bdf *gpu)
{
	size_t len = strlen(unit);
	struct bdf at;

	if (strncmp(unit, TEMPLATE, strlen(TEMPLATE)) || len <= strlen(TEMPLATE SUFFIX) ||
	    strcmp(unit + len - strlen(SUFFIX), SUFFIX))
		return false;

	AUTO_FREE char *instance = xstrndup(unit + strlen(TEMPLATE), len - strlen(TEMPLATE SUFFIX));

	return !strcasecmp(instance, "ALL") || (bdf_parse(instance, &at) == 0 && bdf_eq(&at, gpu));
}

static bool is_wants(const char *dir)
{
	size_t len = strlen(dir);

	return (len > 6 && !strcmp(dir + len - 6, ".wants")) ||
	       (len > 9 && !strcmp(dir + len - 9, ".requires"));
}

char *sriov_pve_unit(const struct root *r, const struct bdf *gpu)
{
	AUTO_STRLIST struct strlist dirs = { 0 };

	if (!has_template(r) || root_list(r, "etc/systemd/system", &dirs, NULL) < 0)
		return NULL;
	strlist_sort(&dirs);
	for (size_t i = 0; i < dirs.n; i++) {
		AUTO_FREE char *path = xasprintf("etc/systemd/system/%s", dirs.s[i]);
		AUTO_STRLIST struct strlist units = { 0 };

		if (!is_wants(dirs.s[i]) || root_list(r, path, &units, NULL) < 0)
			continue;
		for (size_t k = 0; k < units.n; k++)
			if (is_for(units.s[k], gpu))
				return xstrdup(units.s[k]);
	}
	return NULL;
}
