/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * kvm [OPTION]... - Debian's QEMU in place of Proxmox VE's, which alone has -id.
 *
 * Becomes qemu-system-x86_64 by exec, under the name that it was called by and
 * with all that it was given but -id and its value. All of it is written to
 * /run/pve-kvm/<id>, with a NUL behind each word, where that directory is there.
 */
#define _GNU_SOURCE
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QEMU	"/usr/bin/qemu-system-x86_64"
#define GIVEN	"/run/pve-kvm"

static void note(const char *id, char *argv[])
{
	char *path;
	FILE *f;

	if (access(GIVEN, F_OK) < 0)
		return;
	if (asprintf(&path, GIVEN "/%s", id) < 0)
		err(1, "asprintf");
	f = fopen(path, "w");
	if (!f)
		err(1, "open '%s'", path);
	for (size_t i = 0; argv[i]; i++)
		fwrite(argv[i], strlen(argv[i]) + 1, 1, f);
	if (fclose(f))
		err(1, "write '%s'", path);
	free(path);
}

int main(int argc, char *argv[])
{
	char **words = calloc((size_t)argc + 1, sizeof(*words));
	size_t n = 0;

	if (!words)
		err(1, "calloc");
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "-id") != 0 || i + 1 == argc) {
			words[n++] = argv[i];
			continue;
		}
		note(argv[i + 1], argv);
		i++;
	}
	execv(QEMU, words);
	err(127, "run '%s'", QEMU);
}
