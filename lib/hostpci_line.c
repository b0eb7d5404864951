/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "hostpci_line.h"

#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "vmconf.h"
#include "xalloc.h"

static bool is_ours(const char *part, size_t len)
{
	static const char *const keys[] = { "host", "mapping", "mdev", "pcie", "x-vga" };
	const char *eq = memchr(part, '=', len);

	/* A value alone is the host's. */
	if (!eq)
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strlen(keys[i]) == (size_t)(eq - part) && !strncmp(part, keys[i], strlen(keys[i])))
			return true;
	return false;
}

static bool same(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

/* Whether the line means what is wanted, however it is written. */
static bool says_it(const struct hostpci *h, const char *where, const char *mdev, bool pcie,
		    bool x_vga)
{
	static const char mapping[] = "mapping=";
	bool mapped = !strncmp(where, mapping, strlen(mapping));
	bool there = mapped ? same(h->mapping, where + strlen(mapping)) :
		h->has_addr && !strcmp(BDF_STR(&h->addr), where);

	return !h->bad && there && same(h->mdev, mdev) && h->pcie == pcie && h->x_vga == x_vga;
}

char *hostpci_line(const char *has, const char *where, const char *mdev, bool pcie, bool x_vga)
{
	struct hostpci h;
	char *text;
	size_t len;
	bool done;
	FILE *f;

	hostpci_parse(has ? has : "", &h);
	done = has && says_it(&h, where, mdev, pcie, x_vga);
	hostpci_free(&h);
	if (done)
		return xstrdup(has);
	f = xmemstream(&text, &len);
	fprintf(f, "%s,mdev=%s%s%s", where, mdev, pcie ? ",pcie=1" : "", x_vga ? ",x-vga=1" : "");
	for (const char *s = has ? has : ""; *s; s += *s == ',') {
		size_t n = strcspn(s, ",");

		if (n && !is_ours(s, n))
			fprintf(f, ",%.*s", (int)n, s);
		s += n;
	}
	fclose(f);
	return text;
}
