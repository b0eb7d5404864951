/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* A type's name as an admin writes it, and in the lines behind it names as drivers report them. */
#include "fuzz.h"
#include "names.h"

#define TYPES_MAX	32

static void judge_texts(const char *a, const char *b)
{
	int ab = names_natural_cmp(a, b), ba = names_natural_cmp(b, a);
	size_t d = names_distance(a, b, 8);

	must((ab < 0) == (ba > 0) && (ab == 0) == (ba == 0), "the order of two names is the same both ways");
	must((ab == 0) == !strcmp(a, b), "two names are in one place of the order where they are one");
	must(d == names_distance(b, a, 8), "two names are as far apart both ways");
	must((d == 0) == !strcmp(a, b), "two names are apart where they differ");
}

static void judge_asked(const char *asked, const struct vgpu_type *const *types, size_t n)
{
	const struct vgpu_type *found = NULL;
	AUTO_ERR struct err e = { 0 };
	AUTO_STRLIST struct strlist near = names_near(asked, types, n);

	must(near.n <= NAMES_NEAR_MAX, "not too many names are near");
	if (name_resolve(asked, types, n, &found, &e) == 0)
		must(name_matches(asked, found), "what a name is resolved to has it among its spellings");
	else
		must(e.msg, "a refusal has its message");
}

FUZZ(text, len)
{
	AUTO_STRLIST struct strlist lines = { 0 }, keys = { 0 };
	struct vgpu_type types[TYPES_MAX] = { 0 };
	const struct vgpu_type *list[TYPES_MAX];
	size_t n = 0;

	(void)len;
	fuzz_lines(text, &lines);
	for (size_t i = 1; i < lines.n && n < TYPES_MAX; i++, n++) {
		strlist_take(&keys, vgpu_type_nvidia_key((unsigned int)i));
		types[n] = (struct vgpu_type){
			.key = keys.s[n], .number = (unsigned int)i, .full_name = lines.s[i],
		};
		list[n] = &types[n];
		judge_texts(lines.s[0], lines.s[i]);
	}
	if (lines.n)
		judge_asked(lines.s[0], list, n);
}
