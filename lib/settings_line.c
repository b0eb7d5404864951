/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_line.h"

#include <stdlib.h>

#include "cleanup.h"
#include "parse.h"
#include "quote.h"
#include "xalloc.h"

static const char *const words[] = { "vm" };
const struct conf_sections settings_sections = {
	.words = words, .n = ARRAY_SIZE(words), .forms = "'[defaults]' or '[vm <vmid>]'",
};

char *settings_vmid(const char *line, const char *name, unsigned int *vmid)
{
	if (parse_vmid(name, vmid) == 0)
		return NULL;
	return xasprintf("%s names no VM; a vmid is a number from 100 to 999999999", QUOTED(line));
}

void settings_line_read(const char *line, size_t max, struct settings_line *out)
{
	AUTO_CONF_LINE struct conf_line l = { 0 };

	conf_line_read(line, max, &settings_sections, &l);
	*out = (struct settings_line){
		.kind = l.kind, .name_len = l.name_len, .value = l.value, .value_len = l.value_len,
		.comment = l.comment,
	};
	out->why = take_ptr(l.why);
	if (l.kind != LINE_SECTION)
		return;
	out->why = settings_vmid(line, l.name, &out->vmid);
	if (out->why)
		out->kind = LINE_LOST;
}

void settings_line_free(struct settings_line *l)
{
	free(l->why);
	*l = (struct settings_line){ 0 };
}
