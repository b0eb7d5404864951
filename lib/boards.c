/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "boards.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "xalloc.h"

#define JOINTS	" _-"

bool board_is_name(const char *text)
{
	bool letter = false;

	for (const char *s = text; *s; s++) {
		letter |= isalpha((unsigned char)*s) != 0;
		if (!isalnum((unsigned char)*s) && !strchr(JOINTS, *s))
			return false;
	}
	return letter;
}

static bool same(char a, char b)
{
	if (strchr(JOINTS, a) && strchr(JOINTS, b))
		return true;
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* Whether the last words of a board's full name are those of name. */
static bool ends_in(const char *full, size_t len, const char *name)
{
	size_t n = strlen(name);
	const char *end = full + len - n;

	if (!n || n > len || (n < len && end[-1] != ' '))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!same(end[i], name[i]))
			return false;
	return true;
}

bool gpu_is_board(const struct gpu *g, const char *name)
{
	for (size_t i = 0; i < g->noffers; i++) {
		const struct vgpu_type *t = g->offers[i].type;

		if (ends_in(t->full_name, vgpu_type_board_len(t), name))
			return true;
	}
	return false;
}

static void add_boards(const struct gpu *g, struct strlist *boards)
{
	for (size_t k = 0; k < g->noffers; k++) {
		const struct vgpu_type *t = g->offers[k].type;
		AUTO_FREE char *board = xstrndup(t->full_name, vgpu_type_board_len(t));
		const char *blank = strrchr(board, ' ');

		if (!strlist_has(boards, blank ? blank + 1 : board))
			strlist_add(boards, blank ? blank + 1 : board);
	}
}

static void print_boards(struct strlist *boards, FILE *f)
{
	strlist_sort(boards);
	for (size_t i = 0; i < boards->n; i++)
		fprintf(f, "%s%s", i ? ", " : "", boards->s[i]);
}

char *boards_list(const struct inventory *inv)
{
	AUTO_STRLIST struct strlist boards = { 0 };
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < inv->ngpus; i++)
		add_boards(&inv->gpus[i], &boards);
	print_boards(&boards, f);
	fclose(f);
	return text;
}

char *boards_gpus(const struct inventory *inv)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < inv->ngpus; i++) {
		AUTO_STRLIST struct strlist boards = { 0 };

		add_boards(&inv->gpus[i], &boards);
		fprintf(f, "%s%s%s", i ? ", " : "", BDF_STR(&inv->gpus[i].addr), boards.n ? " (" : "");
		print_boards(&boards, f);
		fputs(boards.n ? ")" : "", f);
	}
	fclose(f);
	return text;
}
