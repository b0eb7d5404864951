/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "commands.h"
#include "gc.h"
#include "gc_intents.h"
#include "options.h"
#include "settings_file.h"

static void set_option(void *arg, int val, const char *value)
{
	(void)val;
	(void)value;
	*(bool *)arg = true;
}

int cmd_gc(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option longopts[] = {
		{ "keep-settings", no_argument, NULL, 'k' },
		{ NULL, 0, NULL, 0 },
	};
	bool keep_settings = false;
	const struct option_set set = {
		.longopts = longopts, .dry_run = true, .set = set_option, .arg = &keep_settings,
	};
	AUTO_GC_REPORT struct gc_report rep = { 0 };
	AUTO_SETTINGS struct settings settings = { 0 };
	int rc = options_count(options_read(c, argc, argv, &set, e), 0, 0, "", e);

	if (rc == 0)
		rc = settings_read(&c->root, &settings, e);
	if (rc == 0)
		rc = gc_collect(c, &settings, 0, "gc", &rep, e);
	/* What a VM has left is proved to be its own by its intent, too: that goes last. */
	if (rc == 0 && !keep_settings)
		rc = gc_intents(c, &settings, &rep, e);
	for (size_t i = 0; i < rep.removed.n; i++)
		puts(rep.removed.s[i]);
	for (size_t i = 0; i < rep.kept.n; i++)
		puts(rep.kept.s[i]);
	if (rc == 0 && rep.failed) {
		rc = fail(e, -EIO, "gc: %zu VMs' vGPUs could not be removed", rep.failed);
		err_hint(e, "the lines above say why; dmesg may tell more");
	}
	return rc;
}
