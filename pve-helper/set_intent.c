/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `set` writes into the VM's section besides what was asked for: whose it is, and what was there before. */
#include <errno.h>
#include <string.h>

#include "args_unit.h"
#include "cleanup.h"
#include "hookscript.h"
#include "identity.h"
#include "quote.h"
#include "set_job.h"
#include "xalloc.h"

/*
 * Whether hostpci<index> of the VM's config is what an earlier `set` has put there. One
 * beside our unit in args is not: the line and the unit are never both there by ours.
 */
static bool is_known(const struct set_job *j, unsigned int index)
{
	return j->old && !j->afresh && settings_has_intent(&j->before, j->vm.vmid, index) &&
		!args_unit_there(vm_file_next(&j->vm, "args"), j->vm.vmid, index);
}

/* What a line says that the settings have keys for, and nobody has spoken of, stays. */
static void keep_properties(struct set_job *j, const struct hostpci *line)
{
	const struct vm_settings *old = j->afresh ? NULL : j->old;
	AUTO_FREE char *key = xasprintf("hostpci%u", j->asked.index);

	if (line->pcie && !set_asked_has(&j->asked, "pcie") && !(old && old->pcie))
		set_asked_add(&j->asked, "pcie", "yes");
	if (line->x_vga && !set_asked_has(&j->asked, "x-vga") && !(old && old->x_vga != X_VGA_NONE))
		set_asked_add(&j->asked, "x-vga", key);
}

/* The vGPU's line that stands where ours is to be. Any other is refused when it comes to the config. */
static void keep_line(struct set_job *j)
{
	unsigned int index = j->asked.index;
	AUTO_FREE char *key = xasprintf("hostpci%u", index), *was = xasprintf("was-%s", key);
	const struct hostpci *line = &j->vm.next.hostpci[index];

	if (!line->present || line->bad || !line->mdev)
		return;
	keep_properties(j, line);
	if (is_known(j, index))
		return;
	set_asked_add(&j->asked, was, line->raw);
}

/* The first display is one vGPU alone: --x-vga takes it from another, and --no-x-vga speaks of its own index. */
static void settle_x_vga(struct set_job *j)
{
	const struct vm_settings *old = j->afresh ? NULL : j->old;
	AUTO_FREE char *other = NULL;

	if (!set_asked_has(&j->asked, "x-vga") || !old || old->x_vga < 0 ||
	    old->x_vga == (int)j->asked.index)
		return;
	other = xasprintf("hostpci%d", old->x_vga);
	if (set_asked_value(&j->asked, "x-vga"))
		strlist_take(&j->notes, xasprintf("x-vga: %s is the VM's first display no more", other));
	else
		set_asked_add(&j->asked, "x-vga", other);
}

static int keep_hookscript(struct set_job *j, struct err *e)
{
	const char *has = vm_file_next(&j->vm, "hookscript");
	bool copy;
	int rc;

	if (j->hookscript != HOOKSCRIPT_OTHER || !strcmp(has, j->volid))
		return 0;
	rc = hookscript_is_copy(&j->c->root, j->vm.vmid, has, &copy, e);
	if (rc < 0)
		return rc;
	if (copy) {
		strlist_take(&j->notes, xasprintf("its hookscript %s is a copy of pve-vgpu: %s takes its place",
						  QUOTED(has), j->volid));
		return 0;
	}
	set_asked_add(&j->asked, "next-hook", has);
	strlist_take(&j->notes, xasprintf("its hookscript %s is called as before, by pve-vgpu", QUOTED(has)));
	return 0;
}

static void note_identity(struct set_job *j)
{
	AUTO_FREE char *identity = identity_of(&j->vm.next);

	j->afresh = j->old && !identity_matches(j->old->identity, &j->vm.next);
	if (j->afresh)
		strlist_take(&j->notes, xasprintf("the section [vm %u] was that of another VM (%s): it is begun anew",
						  j->vm.vmid, j->old->identity));
	set_asked_add(&j->asked, "identity", identity);
}

static char *choices_of(const struct vm_settings *vs, unsigned int index)
{
	for (size_t i = 0; vs && i < vs->n_intents; i++)
		if (vs->intents[i].index == index)
			return strlist_join(&vs->intents[i].choices, ", ");
	return NULL;
}

/* The slot had another type until now: the new one takes its place. */
static void note_other_type(struct set_job *j)
{
	AUTO_FREE char *was = j->afresh ? NULL : choices_of(j->old, j->asked.index);
	AUTO_FREE char *is = choices_of(j->vs, j->asked.index);

	if (was && is && strcmp(was, is) != 0)
		strlist_take(&j->notes, xasprintf("hostpci%u: was %s until now; one more vGPU takes another --index",
						  j->asked.index, was));
}

int set_intent(struct set_job *j, struct err *e)
{
	AUTO_FREE char *text = NULL;
	int rc;

	note_identity(j);
	settle_x_vga(j);
	keep_line(j);
	rc = keep_hookscript(j, e);
	if (rc < 0)
		return rc;

	struct intent_edit edit = {
		.vmid = j->vm.vmid, .afresh = j->afresh, .s = j->asked.s, .n = j->asked.n,
	};

	rc = intent_edit_text(&edit, j->text, j->len, &text, e);
	if (rc < 0)
		return rc;
	settings_parse(text, strlen(text), "/etc/pve/pve-vgpu.conf", &j->after);
	rc = settings_vm(&j->after, j->vm.vmid, &j->vs, e);
	if (rc == 0)
		note_other_type(j);
	if (rc == 0 && !j->vs)
		return fail(e, -EINVAL, "no intent is left in [vm %u]", j->vm.vmid);
	return rc;
}
