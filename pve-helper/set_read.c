/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cluster.h"
#include "hookscript.h"
#include "quote.h"
#include "set_job.h"
#include "settings_file.h"
#include "storage.h"
#include "xalloc.h"

void set_job_free(struct set_job *j)
{
	vm_file_free(&j->vm);
	free(j->text);
	free(j->volid);
	inventory_free(&j->inv);
	catalog_free(&j->catalog);
	for (size_t i = 0; j->types && j->vs && i < j->vs->n_intents; i++)
		free(j->types[i].t);
	free(j->types);
	free(j->gpus);
	bdf_list_free(&j->others);
	set_asked_free(&j->asked);
	free(j->kept);
	free(j->qemu_server);
	mode_choice_free(&j->mode);
	strlist_free(&j->mappings);
	config_changes_free(&j->changes);
	strlist_free(&j->notes);
	settings_free(&j->before);
	settings_free(&j->after);
}

static int read_settings(struct set_job *j, struct err *e)
{
	int rc = settings_read_text(&j->c->root, &j->text, &j->len, &j->before, e);

	if (rc < 0)
		return rc;
	rc = settings_vm(&j->before, j->vm.vmid, &j->old, e);
	j->old = settings_section(&j->before, j->vm.vmid);
	if (rc < 0)
		err_hint(e, "mend that line first; nothing was changed");
	return rc;
}

static int check_vm(const struct set_job *j, struct err *e)
{
	const struct vmconf *conf = &j->vm.conf;

	if (conf->template) {
		fail(e, -EINVAL, "it is a template, and a template does not run");
		err_hint(e, "set it for the VMs that are made from it");
		return -EINVAL;
	}
	if (conf->lock) {
		fail(e, -EBUSY, "its config is locked (%s): PVE is at work on it", QUOTED(conf->lock));
		err_hint(e, "try again when that is done; if nothing is at work any more: qm unlock %u",
			 j->vm.vmid);
		return -EBUSY;
	}
	return 0;
}

static int find_hookscript(struct set_job *j, struct err *e)
{
	const struct root *r = &j->c->root;
	const char *has = vm_file_next(&j->vm, "hookscript");
	int rc = hookscript_whose(r, j->vm.vmid, has, &j->hookscript, e);

	if (rc < 0)
		return rc;
	if (j->hookscript == HOOKSCRIPT_OURS) {
		j->volid = xstrdup(has);
		return 0;
	}
	rc = snippet_volume(r, &j->volid, e);
	if (rc < 0 || j->hookscript != HOOKSCRIPT_OTHER)
		return rc;
	/* Another node's files are not seen here; PVE has looked at this one when it was set. */
	return j->vm.local ? hookscript_check(r, j->vm.vmid, has, e) : 0;
}

int set_read(struct set_job *j, struct err *e)
{
	int rc = vm_file_read(&j->c->root, j->asked.vmid, &j->vm, e);

	if (rc == 0 && !j->c->dry_run && !cluster_quorate(&j->c->root))
		rc = cluster_fail_quorum("change the settings and the VM's config", e);
	if (rc == 0)
		rc = check_vm(j, e);
	if (rc == 0)
		rc = read_settings(j, e);
	return rc < 0 ? rc : find_hookscript(j, e);
}
