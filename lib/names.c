/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "names.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "quote.h"
#include "xalloc.h"

static bool is_separator(char c)
{
	return isspace((unsigned char)c) || c == '-' || c == '_';
}

/* A text as it is compared: lower case, one '-' for a run of separators, no blanks around it. */
struct folding {
	const char *s, *end;
};

static struct folding folding_of(const char *text)
{
	struct folding f = { text, text + strlen(text) };

	while (f.s < f.end && isspace((unsigned char)*f.s))
		f.s++;
	while (f.s < f.end && isspace((unsigned char)f.end[-1]))
		f.end--;
	return f;
}

/* The next character, 0 at the end. */
static char folding_next(struct folding *f)
{
	if (f->s == f->end)
		return '\0';
	if (!is_separator(*f->s))
		return (char)tolower((unsigned char)*f->s++);
	while (f->s < f->end && is_separator(*f->s))
		f->s++;
	return '-';
}

static char *fold(const char *text)
{
	struct folding f = folding_of(text);
	char *out = xcalloc((size_t)(f.end - f.s) + 1, 1);

	for (char *o = out; (*o = folding_next(&f)); o++)
		;
	return out;
}

/* Whether text, folded, is folded; an empty text is equal to nothing. */
static bool folds_to(const char *text, const char *folded)
{
	struct folding f = folding_of(text);
	char c;

	if (!*folded)
		return false;
	while ((c = folding_next(&f)) && c == *folded)
		folded++;
	return !c && !*folded;
}

static const char *without_vendor(const char *full_name)
{
	static const char *const vendors[] = { "GRID ", "NVIDIA " };

	for (size_t i = 0; i < ARRAY_SIZE(vendors); i++) {
		size_t len = strlen(vendors[i]);

		if (!strncasecmp(full_name, vendors[i], len))
			return full_name + len;
	}
	return full_name;
}

/* What stands behind the name of a driver that NVIDIA's types have been seen under. */
static const char *past_driver(const char *folded)
{
	static const char *const drivers[] = { "nvidia-", "vfio-pci-", "pci-" };

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
		if (!strncmp(folded, drivers[i], strlen(drivers[i])))
			return folded + strlen(drivers[i]);
	return folded;
}

static bool id_matches(const char *folded, const struct vgpu_type *t)
{
	char number[16];

	if (!t->number)
		return folds_to(t->key, folded) || folds_to(vgpu_type_id(t), folded);
	snprintf(number, sizeof(number), "%u", t->number);
	return !strcmp(past_driver(folded), number);
}

static bool folded_matches(const char *folded, const struct vgpu_type *t)
{
	const char *full = t->full_name;

	return id_matches(folded, t) ||
		(full && (folds_to(vgpu_type_name(t), folded) ||
			  folds_to(without_vendor(full), folded) || folds_to(full, folded)));
}

bool name_matches(const char *asked, const struct vgpu_type *t)
{
	AUTO_FREE char *folded = fold(asked);

	return folded_matches(folded, t);
}

static int cmp_digits(const char **a, const char **b)
{
	*a += strspn(*a, "0");
	*b += strspn(*b, "0");

	size_t la = strspn(*a, "0123456789"), lb = strspn(*b, "0123456789");
	int c = la != lb ? (la < lb ? -1 : 1) : memcmp(*a, *b, la);

	*a += la;
	*b += lb;
	return c;
}

int names_natural_cmp(const char *a, const char *b)
{
	const char *x = a, *y = b;

	while (*x && *y) {
		if (isdigit((unsigned char)*x) && isdigit((unsigned char)*y)) {
			int c = cmp_digits(&x, &y);

			if (c)
				return c;
			continue;
		}
		int cx = tolower((unsigned char)*x++), cy = tolower((unsigned char)*y++);

		if (cx != cy)
			return cx - cy;
	}
	if (*x || *y)
		return *x ? 1 : -1;
	return strcmp(a, b);
}

static int cmp_natural(const void *a, const void *b)
{
	return names_natural_cmp(*(char *const *)a, *(char *const *)b);
}

static void sort_natural(struct strlist *l)
{
	if (l->n)
		qsort(l->s, l->n, sizeof(*l->s), cmp_natural);
}

static size_t min2(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Optimal string alignment: three rows of the table suffice for swaps of neighbours. */
size_t names_distance(const char *a, const char *b, size_t limit)
{
	size_t la = strlen(a), lb = strlen(b);

	if ((la > lb ? la - lb : lb - la) > limit)
		return limit + 1;

	AUTO_FREE size_t *rows = xcalloc(3 * (lb + 1), sizeof(*rows));
	size_t *before = rows, *above = rows + lb + 1, *row = rows + 2 * (lb + 1);

	for (size_t j = 0; j <= lb; j++)
		above[j] = j;
	for (size_t i = 1; i <= la; i++) {
		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t d = above[j - 1] + (a[i - 1] != b[j - 1]);

			d = min2(d, min2(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d = min2(d, before[j - 2] + 1);
			row[j] = d;
		}

		size_t *oldest = before;

		before = above;
		above = row;
		row = oldest;
	}
	return min2(above[lb], limit + 1);
}

/*
 * How far asked is from one spelling; smaller is nearer. 1 and 2: that many
 * characters are missing at the end. From 3 on: edits.
 */
#define NEAR_EDITS 2

static size_t near_limit(size_t len)
{
	return len <= 3 ? 1 : len <= 7 ? 2 : 3;
}

static size_t nearness_of(const char *asked, size_t len, const char *spelling)
{
	size_t limit = near_limit(len);
	size_t more = strlen(spelling) - len;

	if (!strncmp(asked, spelling, len) && more <= NEAR_EDITS)
		return more;
	return NEAR_EDITS + names_distance(asked, spelling, limit);
}

static size_t nearness(const char *asked, size_t len, const struct vgpu_type *t)
{
	const char *const names[] = {
		vgpu_type_name(t), without_vendor(t->full_name), t->full_name,
	};
	size_t best = NEAR_EDITS + near_limit(len) + 1;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		AUTO_FREE char *folded = fold(names[i]);

		best = min2(best, nearness_of(asked, len, folded));
	}
	return best;
}

static const char *past_vendor(const char *folded)
{
	static const char *const words[] = { "grid-", "nvidia-" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strncmp(folded, words[i], strlen(words[i])))
			return folded + strlen(words[i]);
	return folded;
}

/* Keep text in near if it is as near as the best so far, and alone where it is nearer. */
static void keep_near(struct strlist *near, size_t *best, size_t d, const char *text)
{
	if (d < *best)
		strlist_free(near);
	*best = min2(*best, d);
	if (d == *best && !strlist_has(near, text))
		strlist_add(near, text);
}

static void near_by_spelling(const char *folded, const struct vgpu_type *const *types, size_t n,
			     struct strlist *near, size_t *best)
{
	size_t len = strlen(folded);

	for (size_t i = 0; i < n; i++)
		if (types[i]->full_name)
			keep_near(near, best, nearness(folded, len, types[i]), vgpu_type_name(types[i]));
}

/* "5750": the number of a type with a slip in it. Shown with the number, as the name tells nothing of it. */
static void near_by_id(const char *folded, const struct vgpu_type *const *types, size_t n,
		       struct strlist *near, size_t *best)
{
	size_t len = strlen(folded);

	if (folded[strspn(folded, "0123456789")])
		return;
	for (size_t i = 0; i < n; i++) {
		const struct vgpu_type *t = types[i];

		if (!t->number || !t->full_name)
			continue;

		AUTO_FREE char *number = xasprintf("%u", t->number);
		AUTO_FREE char *text = xasprintf("%s (%s)", vgpu_type_name(t), t->key);

		keep_near(near, best, nearness_of(folded, len, number), text);
	}
}

/* Whether what is asked for is the begin of a name up to a '-', or its end from one on. */
static bool is_part(const char *name, const char *folded)
{
	AUTO_FREE char *whole = fold(name);
	size_t len = strlen(folded), all = strlen(whole);

	if (len >= all)
		return false;
	return (!strncmp(whole, folded, len) && whole[len] == '-') ||
		(!strcmp(whole + all - len, folded) && whole[all - len - 1] == '-');
}

/* "24A" and "A40": a size without its board, and a board without a size. */
static void near_by_part(const char *folded, const struct vgpu_type *const *types, size_t n,
			 struct strlist *near)
{
	for (size_t i = 0; i < n; i++) {
		const struct vgpu_type *t = types[i];

		if (t->full_name && (is_part(vgpu_type_name(t), folded) ||
				     is_part(without_vendor(t->full_name), folded)) &&
		    !strlist_has(near, vgpu_type_name(t)))
			strlist_add(near, vgpu_type_name(t));
	}
}

struct strlist names_near(const char *asked, const struct vgpu_type *const *types, size_t n)
{
	struct strlist near = { 0 };
	AUTO_FREE char *whole = fold(asked);
	/* "GRID A40-24A": the wrong vendor word hides a good name. */
	const char *folded = past_vendor(whole);
	size_t best;

	if (!*folded)
		return near;
	best = NEAR_EDITS + near_limit(strlen(folded));
	near_by_spelling(folded, types, n, &near, &best);
	near_by_id(past_driver(whole), types, n, &near, &best);
	if (!near.n)
		near_by_part(folded, types, n, &near);
	sort_natural(&near);
	while (near.n > NAMES_NEAR_MAX)
		free(near.s[--near.n]);
	return near;
}

static int fail_unknown(const char *asked, const struct vgpu_type *const *types, size_t n,
			struct err *e)
{
	if (!n)
		return fail(e, -ENOENT, "%s is no vGPU type of this node; it has no vGPU types at all",
			    QUOTED(asked));

	AUTO_STRLIST struct strlist near = names_near(asked, types, n);
	AUTO_FREE char *list = strlist_join(&near, ", ");

	fail(e, -ENOENT, "%s is no vGPU type of this node%s%s", QUOTED(asked),
	     near.n ? "; nearest: " : "", list);
	err_hint(e, "'pve-vgpu types' lists the types of this node");
	return -ENOENT;
}

static int fail_ambiguous(const char *asked, const struct vgpu_type *const *found, size_t n,
			  struct err *e)
{
	AUTO_STRLIST struct strlist names = { 0 };

	for (size_t i = 0; i < n; i++)
		strlist_take(&names, xasprintf("%s (%s)", found[i]->full_name ? : found[i]->key,
					       found[i]->key));
	sort_natural(&names);

	AUTO_FREE char *list = strlist_join(&names, ", ");

	fail(e, -ENOTUNIQ, "%s names %zu vGPU types: %s", QUOTED(asked), n, list);
	err_hint(e, "use the id, such as '%s'", found[0]->key);
	return -ENOTUNIQ;
}

static bool has_key(const struct vgpu_type *const *types, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(types[i]->key, key))
			return true;
	return false;
}

int name_resolve(const char *asked, const struct vgpu_type *const *types, size_t n,
		 const struct vgpu_type **out, struct err *e)
{
	AUTO_FREE const struct vgpu_type **found = xcalloc(n, sizeof(*found));
	AUTO_FREE char *folded = fold(asked);
	size_t n_found = 0;

	for (size_t i = 0; i < n; i++)
		if (folded_matches(folded, types[i]) && !has_key(found, n_found, types[i]->key))
			found[n_found++] = types[i];
	if (!n_found)
		return fail_unknown(asked, types, n, e);
	if (n_found > 1)
		return fail_ambiguous(asked, found, n_found, e);
	*out = found[0];
	return 0;
}
