/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "foreign.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "pci_tree.h"
#include "quote.h"
#include "xalloc.h"

#define BUS	"sys/class/mdev_bus"

void foreign_free(struct foreign_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->p[i].name);
		free(l->p[i].path);
		free(l->p[i].driver);
		strlist_free(&l->p[i].types);
	}
	free(take_ptr(l->p));
	l->n = 0;
}

/* A PCI function is a GPU, or one that is left out for a reason told elsewhere. */
static bool is_foreign(const struct root *r, const struct inventory *inv, const char *name)
{
	struct bdf at;

	if (strlist_has(&inv->foreign, name) || bdf_parse(name, &at) < 0)
		return true;
	return !inventory_gpu_of(inv, &at) && !pci_exists(r, &at);
}

/* "../../devices/css0/0.0.0313", as the links in sys/class are, told from the root. */
static char *path_of(const char *link)
{
	const char *devices = strstr(link, "devices/");
	AUTO_FREE char *path = xasprintf("/sys/%s", devices ? devices : link);

	return text_clean(path, PATH_MAX);
}

static char *driver_of(const struct root *r, const char *name, const struct strlist *types)
{
	AUTO_FREE char *link = xasprintf(BUS "/%s/driver", name);
	AUTO_FREE char *target = NULL;

	if (root_readlink(r, link, &target, NULL) == 0)
		return text_clean(path_base(target), NAME_MAX);
	return types->n ? xstrndup(types->s[0], strcspn(types->s[0], "-")) : xstrdup("");
}

static void add(const struct root *r, const char *name, struct foreign_list *out)
{
	AUTO_FREE char *link = xasprintf(BUS "/%s", name);
	AUTO_FREE char *dir = xasprintf(BUS "/%s/mdev_supported_types", name);
	AUTO_FREE char *target = NULL;
	AUTO_STRLIST struct strlist types = { 0 };
	struct foreign_parent *p;

	if (root_readlink(r, link, &target, NULL) < 0 || root_list(r, dir, &types, NULL) < 0)
		return;
	strlist_sort(&types);
	p = GROW(out->p, out->n);
	p->name = text_clean(name, NAME_MAX);
	p->path = path_of(target);
	for (size_t i = 0; i < types.n; i++)
		strlist_take(&p->types, text_clean(types.s[i], NAME_MAX));
	p->driver = driver_of(r, name, &p->types);
}

void foreign_read(const struct root *r, const struct inventory *inv, struct foreign_list *out)
{
	AUTO_STRLIST struct strlist names = { 0 };

	*out = (struct foreign_list){ 0 };
	root_list(r, BUS, &names, NULL);
	strlist_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		if (is_foreign(r, inv, names.s[i]))
			add(r, names.s[i], out);
}
