/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "gpu_model.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "cleanup.h"
#include "quote.h"
#include "xalloc.h"

#define JOINTS		" _-"
#define MODEL_MAX	128

char *gpu_model_in(const char *information)
{
	static const char label[] = "Model:";
	const char *at = strstr(information, label);

	if (!at)
		return NULL;
	at += strlen(label);

	AUTO_FREE char *line = xstrndup(at, strcspn(at, "\n"));

	return text_clean(line, MODEL_MAX);
}

char *gpu_model(const struct root *r, const struct bdf *gpu)
{
	AUTO_FREE char *path = xasprintf("proc/driver/nvidia/gpus/%s/information", BDF_STR(gpu));
	AUTO_FREE char *text = NULL;
	size_t len;

	return root_read(r, path, &text, &len, NULL) < 0 ? NULL : gpu_model_in(text);
}

/* Behind the words that say who made it. */
static const char *without_maker(const char *name)
{
	static const char *const makers[] = { "NVIDIA", "GRID", "Tesla", "Quadro" };

	for (size_t i = 0; i < ARRAY_SIZE(makers); i++) {
		size_t len = strlen(makers[i]);

		if (!strncasecmp(name, makers[i], len) && strchr(JOINTS, name[len]) && name[len])
			return without_maker(name + len + strspn(name + len, JOINTS));
	}
	return name;
}

bool gpu_model_is(const char *model, const char *board)
{
	const char *m = without_maker(model), *b = without_maker(board);

	if (!*b)
		return false;
	for (;;) {
		b += strspn(b, JOINTS);
		if (!*b)
			break;
		m += strspn(m, JOINTS);
		if (tolower((unsigned char)*m) != tolower((unsigned char)*b))
			return false;
		m++;
		b++;
	}
	/* A100 is no A10. */
	return !isalnum((unsigned char)*m);
}
