/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "sriov_units.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "units.h"
#include "xalloc.h"

#define TEMPLATE	"pve-nvidia-sriov@"
#define SUFFIX		".service"

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

char *sriov_pve_unit(const struct root *r, const struct bdf *gpu)
{
	AUTO_STRLIST struct strlist wanted = { 0 };

	/* Without its template a link of an instance starts nothing, as after a removal. */
	if (unit_look(r, TEMPLATE SUFFIX) != UNIT_THERE)
		return NULL;
	units_wanted(r, &wanted);
	for (size_t i = 0; i < wanted.n; i++)
		if (is_for(wanted.s[i], gpu))
			return xstrdup(wanted.s[i]);
	return NULL;
}
