/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "args_carried.h"

#include <errno.h>

#include "args_unit.h"
#include "attach.h"
#include "cleanup.h"
#include "xalloc.h"

struct carried {
	const struct settings *settings;
	unsigned int vmid;		/* of the VM that has the args */
	unsigned int other;		/* found: whose they name */
	bool unit;			/* looked for: in words of ours, else in any */
	const char *args;
};

static int find(void *arg, unsigned int vmid, unsigned int index)
{
	struct carried *k = arg;

	if (vmid == k->vmid)
		return 0;
	if (k->unit ? !args_unit_there(k->args, vmid, index) : !settings_has_intent(k->settings, vmid, index))
		return 0;
	k->other = vmid;
	return 1;
}

/* Whether the args name a vGPU of another VM. */
static bool any_left(struct carried *k, char *args, bool unit)
{
	struct vmconf conf = { .args = args };

	k->args = args;
	k->unit = unit;
	return attach_args_uuids(&conf, find, k);
}

int args_drop_carried(const struct settings *settings, unsigned int vmid, const char *args, char **out,
		      struct strlist *notes, struct err *e)
{
	struct carried k = { .settings = settings, .vmid = vmid };
	AUTO_FREE char *now = args ? xstrdup(args) : NULL;

	while (now && any_left(&k, now, true)) {
		char *without = NULL;
		int rc = args_units_write(now, k.other, NULL, 0, NULL, &without, e);

		if (rc < 0)
			return rc;
		free(now);
		now = without;
		strlist_take(notes, xasprintf("args had the vGPU of vm %u, as a clone of it has: it is taken out", k.other));
	}
	*out = take_ptr(now);
	return 0;
}

int args_check_carried(const struct settings *settings, unsigned int vmid, const char *args, struct err *e)
{
	struct carried k = { .settings = settings, .vmid = vmid };
	AUTO_FREE char *now = args ? xstrdup(args) : NULL;

	if (!now || !any_left(&k, now, false))
		return 0;
	fail(e, -EPERM, "args of the VM's config name the vGPU of vm %u, in words that are not pve-vgpu's", k.other);
	err_hint(e, "take it out of them: qm set %u --args … (qm config %u shows them)", vmid, vmid);
	return -EPERM;
}
