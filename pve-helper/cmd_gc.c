/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "commands.h"
#include "gc.h"
#include "gc_intents.h"
#include "options.h"
#include "settings_file.h"

struct gc_options {
	bool keep_settings, quiet;
};

static void set_option(void *arg, int val, const char *value)
{
	struct gc_options *o = arg;

	(void)value;
	if (val == 'k')
		o->keep_settings = true;
	else
		o->quiet = true;
}

int cmd_gc(struct ctx *c, int argc, char *argv[], struct err *e)
{
	static const struct option longopts[] = {
		{ "keep-settings", no_argument, NULL, 'k' },
		{ "quiet", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};
	struct gc_options o = { 0 };
	const struct option_set set = {
		.longopts = longopts, .dry_run = true, .set = set_option, .arg = &o,
	};
	AUTO_GC_REPORT struct gc_report rep = { 0 };
	AUTO_SETTINGS struct settings settings = { 0 };
	int rc = options_count(options_read(c, argc, argv, &set, e), 0, 0, "", e);

	if (rc == 0)
		rc = settings_read(&c->root, &settings, e);
	if (rc == 0)
		rc = gc_collect(c, &settings, 0, "gc", &rep, e);
	/* What a VM has left is proved to be its own by its intent, too: that goes last. */
	if (rc == 0 && !o.keep_settings)
		rc = gc_intents(c, &settings, &rep, e);
	for (size_t i = 0; i < rep.removed.n; i++)
		puts(rep.removed.s[i]);
	/* Among them is why what is dead could not be removed. */
	for (size_t i = 0; i < rep.kept.n && (!o.quiet || rep.failed); i++)
		puts(rep.kept.s[i]);
	if (rc == 0 && rep.failed) {
		rc = fail(e, -EIO, "gc: %zu VMs' vGPUs could not be removed", rep.failed);
		err_hint(e, "the lines above say why; dmesg may tell more");
	}
	return rc;
}
