/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `set` writes into the VM's section besides what was asked for: whose it is, and what was there before. */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "identity.h"
#include "quote.h"
#include "set_job.h"
#include "xalloc.h"

/* Whether hostpci<index> of the VM's config is what an earlier `set` has put there. */
static bool is_known(const struct set_job *j, unsigned int index)
{
	return j->old && !j->afresh && settings_has_intent(&j->before, j->vm.vmid, index);
}

/* The line that stands where ours is to be. */
static int keep_line(struct set_job *j, struct err *e)
{
	unsigned int index = j->asked->index;
	AUTO_FREE char *key = xasprintf("hostpci%u", index), *was = xasprintf("was-%s", key);
	const char *has = vm_file_next(&j->vm, key);
	struct hostpci line;
	bool vgpu;

	if (!has || is_known(j, index))
		return 0;
	hostpci_parse(has, &line);
	vgpu = !line.bad && line.mdev;
	hostpci_free(&line);
	if (vgpu) {
		set_asked_add(j->asked, was, has);
		strlist_take(&j->notes, xasprintf("%s: %s gives way, and `pve-vgpu unset %u` brings it back",
						  key, QUOTED(has), j->vm.vmid));
		return 0;
	}
	fail(e, -EEXIST, "its config has %s: %s, which is no vGPU", key, QUOTED(has));
	err_hint(e, "choose another --index, or take that device out: qm set %u --delete %s", j->vm.vmid,
		 key);
	return -EEXIST;
}

static void keep_hookscript(struct set_job *j)
{
	const char *has = vm_file_next(&j->vm, "hookscript");

	if (!has || !strcmp(has, j->volid))
		return;
	set_asked_add(j->asked, "next-hook", has);
	strlist_take(&j->notes, xasprintf("its hookscript %s is called as before, by pve-vgpu", QUOTED(has)));
}

static void note_identity(struct set_job *j)
{
	AUTO_FREE char *identity = identity_of(&j->vm.conf);

	j->afresh = j->old && !identity_matches(j->old->identity, &j->vm.conf);
	if (j->afresh)
		strlist_take(&j->notes, xasprintf("the section [vm %u] was that of another VM (%s): it is begun anew",
						  j->vm.vmid, j->old->identity));
	set_asked_add(j->asked, "identity", identity);
}

int set_intent(struct set_job *j, struct err *e)
{
	AUTO_FREE char *text = NULL;
	int rc;

	note_identity(j);
	rc = keep_line(j, e);
	if (rc < 0)
		return rc;
	keep_hookscript(j);

	struct intent_edit edit = {
		.vmid = j->vm.vmid, .afresh = j->afresh, .s = j->asked->s, .n = j->asked->n,
	};

	rc = intent_edit_text(&edit, j->text, j->len, &text, e);
	if (rc < 0)
		return rc;
	settings_parse(text, strlen(text), "/etc/pve/pve-vgpu.conf", &j->after);
	rc = settings_vm(&j->after, j->vm.vmid, &j->vs, e);
	if (rc == 0 && !j->vs)
		return fail(e, -EINVAL, "no intent is left in [vm %u]", j->vm.vmid);
	return rc;
}
