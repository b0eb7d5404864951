/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The pure part of the wrapper on a file: a command line with an argument a
 * line, rewritten and printed the same way; a refusal is a line "error: …".
 *
 *	rewrite-file ROOT FILE [UUID…]
 *
 * The run state is ROOT/run/pve-vgpu/<vmid>.json, where there is one. All mdevs
 * are NVIDIA's, but for those named.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "cmdline.h"
#include "rewrite.h"
#include "root.h"
#include "xalloc.h"

static int read_lines(const char *path, struct strlist *lines)
{
	AUTO_FILE FILE *f = fopen(path, "re");
	AUTO_FREE char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!f)
		return -errno;
	while ((len = getline(&line, &size, f)) > 0) {
		if (line[len - 1] == '\n')
			line[len - 1] = '\0';
		strlist_add(lines, line);
	}
	return 0;
}

static void find_nvidia(const struct strlist *words, char *others[], struct strlist *found)
{
	struct option o = { .next = 1 };

	while (cmdline_next_of(words, "device", &o)) {
		AUTO_VFIO_DEVICE struct vfio_device d = { 0 };
		bool other = false;

		if (!o.value || !vfio_device_read(o.value, &d) || !*d.uuid)
			continue;
		for (char **u = others; *u; u++)
			other |= !strcmp(*u, d.uuid);
		if (!other)
			strlist_add(found, d.uuid);
	}
}

static int print(const struct strlist *words, const struct err *e, int rc)
{
	if (rc < 0)
		printf("error: %s\n", e->msg);
	for (size_t i = 0; i < words->n; i++)
		puts(words->s[i]);
	return 0;
}

int main(int argc, char *argv[])
{
	AUTO(root_close) struct root r = ROOT_CLOSED;
	AUTO_STRLIST struct strlist words = { 0 }, out = { 0 }, nvidia = { 0 };
	AUTO_RUNSTATE struct runstate state = { 0 };
	AUTO_ERR struct err e = { 0 };
	int rc;

	if (argc < 3) {
		fputs("usage: rewrite-file ROOT FILE [UUID…]\n", stderr);
		return 2;
	}
	if (root_open(&r, argv[1], &e) < 0 || read_lines(argv[2], &words) < 0) {
		fprintf(stderr, "rewrite-file: cannot read '%s' or '%s'\n", argv[1], argv[2]);
		return 1;
	}

	struct rewrite how = { .vmid = cmdline_vmid(&words), .nvidia = &nvidia };

	find_nvidia(&words, argv + 3, &nvidia);
	rc = runstate_read(&r, how.vmid, &state, &e);
	if (rc == 0)
		how.state = &state;
	else if (rc != -ENOENT)
		return print(&out, &e, rc);
	return print(&out, &e, rewrite(&words, &how, &out, &e));
}
