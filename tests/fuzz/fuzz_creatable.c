/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* nvidia/creatable_vgpu_types of a VF. */
#include "creatable.h"
#include "fuzz.h"

static char *print(const struct creatable *rows, size_t n)
{
	char *text;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	fputs("ID    : vGPU Name\n", f);
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%-5u : %s\n", rows[i].number, rows[i].full_name);
	fclose(f);
	return text;
}

FUZZ(text, len)
{
	struct creatable *rows, *again;
	size_t n = creatable_parse(text, &rows), m;
	AUTO_FREE char *once = print(rows, n);

	(void)len;
	m = creatable_parse(once, &again);

	AUTO_FREE char *twice = print(again, m);

	must(n == m, "as many types are read as were printed");
	must_equal(twice, once, "print of parse of print is print");
	creatable_free(rows, n);
	creatable_free(again, m);
}
