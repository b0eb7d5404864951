/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_line.h"

#include "cleanup.h"
#include "parse.h"
#include "quote.h"
#include "settings.h"
#include "xalloc.h"

static char *check_name(const char *line, const char *name)
{
	unsigned int vmid;

	if (parse_vmid(name, &vmid) == 0)
		return NULL;
	return xasprintf("%s names no VM; a vmid is a number from 100 to 999999999", QUOTED(line));
}

static const char *const words[] = { "vm" };
const struct conf_sections settings_sections = {
	.words = words, .n = ARRAY_SIZE(words), .forms = "'[defaults]' or '[vm <vmid>]'",
	.check = check_name,
};

void settings_line_read(const char *line, struct conf_line *out)
{
	conf_line_read(line, SETTINGS_LINE_MAX, &settings_sections, out);
}

bool settings_line_is_vm(const struct conf_line *l, unsigned int vmid)
{
	unsigned int its;

	return l->kind == LINE_SECTION && parse_vmid(l->name, &its) == 0 && its == vmid;
}
