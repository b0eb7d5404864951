/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the VM's config has to say for an intent: hostpci lines, args, hookscript. */
#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "hostpci_line.h"
#include "quote.h"
#include "set_job.h"
#include "xalloc.h"

/* The lowest index that has neither a device nor an intent; SETTINGS_HOSTPCI_MAX: none. */
static unsigned int free_index(const struct set_job *j)
{
	unsigned int i = 0;

	while (i < SETTINGS_HOSTPCI_MAX &&
	       (j->vm.next.hostpci[i].present || settings_has_intent(&j->after, j->vm.vmid, i)))
		i++;
	return i;
}

/* A device that is no vGPU has the slot: it is not ours to take away. */
static int check_slot(const struct set_job *j, unsigned int index, struct err *e)
{
	const struct hostpci *h = &j->vm.next.hostpci[index];
	unsigned int other = free_index(j);

	if (!h->present || (!h->bad && h->mdev))
		return 0;
	fail(e, -EEXIST, "its config has hostpci%u: %s, which is no vGPU", index, QUOTED(h->raw));
	if (index == j->asked.index && other < SETTINGS_HOSTPCI_MAX)
		err_hint(e, "choose another slot, as --index %u, or take that device out: qm set %u --delete hostpci%u",
			 other, j->vm.vmid, index);
	else
		err_hint(e, "take that device out: qm set %u --delete hostpci%u; or the intent: pve-vgpu unset %u --index %u",
			 j->vm.vmid, index, j->vm.vmid, index);
	return -EEXIST;
}

static int want_native(struct set_job *j, size_t i, struct err *e)
{
	unsigned int index = j->vs->intents[i].index;
	AUTO_FREE char *key = xasprintf("hostpci%u", index), *where = NULL, *mdev = NULL, *value = NULL;
	const struct hostpci *h = &j->vm.next.hostpci[index];
	int rc = set_place(j, i, h, &where, &mdev, e);

	if (rc < 0)
		return rc;
	value = hostpci_line(h->raw, where, mdev, j->vs->pcie, vm_settings_x_vga(j->vs, index));
	config_want(&j->changes, &j->vm, key, value);
	return 0;
}

/* Lines of the VM's own that give way. */
static void note_replaced(struct set_job *j)
{
	AUTO_FREE char *key = xasprintf("hostpci%u", j->asked.index), *was = xasprintf("was-%s", key);

	for (size_t i = 0; i < j->changes.n && set_asked_has(&j->asked, was); i++)
		if (!strcmp(j->changes.c[i].key, key))
			strlist_take(&j->notes, xasprintf("%s: %s gives way, and `pve-vgpu unset %u` brings it back", key,
							  QUOTED(j->vm.next.hostpci[j->asked.index].raw), j->vm.vmid));
}

/* With the wrapper there has been no line: somebody has put one there since, or a `set` was cut off. */
static void note_removed(struct set_job *j)
{
	bool wrapper = j->old && !j->afresh && j->old->mode == MODE_WRAPPER && j->mode.mode != MODE_NATIVE;

	for (size_t i = 0; i < j->vs->n_intents && wrapper; i++) {
		unsigned int index = j->vs->intents[i].index;
		const struct hostpci *h = &j->vm.next.hostpci[index];

		if (h->present)
			strlist_take(&j->notes, xasprintf("hostpci%u: %s goes, for the vGPU of that slot comes by mode %s",
							  index, QUOTED(h->raw), vm_mode_name(j->mode.mode)));
	}
}

int set_config(struct set_job *j, struct err *e)
{
	int rc = 0;

	for (size_t i = 0; i < j->vs->n_intents && rc == 0; i++)
		rc = check_slot(j, j->vs->intents[i].index, e);
	if (rc < 0)
		return rc;
	config_want(&j->changes, &j->vm, "hookscript", j->volid);
	if (j->mode.mode == MODE_NATIVE)
		set_keep_addresses(j);
	for (size_t i = 0; i < j->vs->n_intents && rc == 0; i++) {
		AUTO_FREE char *key = xasprintf("hostpci%u", j->vs->intents[i].index);

		if (j->mode.mode == MODE_NATIVE)
			rc = want_native(j, i, e);
		else
			config_want(&j->changes, &j->vm, key, NULL);
	}
	if (rc == 0)
		rc = set_args(j, e);
	if (rc == 0)
		rc = config_check(&j->changes, j->vm.vmid, e);
	note_replaced(j);
	note_removed(j);
	return rc;
}
