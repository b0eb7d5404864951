/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cluster.h"
#include "quote.h"
#include "set_job.h"
#include "settings_file.h"
#include "storage.h"
#include "xalloc.h"

void set_job_free(struct set_job *j)
{
	vm_file_free(&j->vm);
	free(j->text);
	settings_free(&j->before);
	settings_free(&j->after);
	free(j->volid);
	inventory_free(&j->inv);
	catalog_free(&j->catalog);
	free(j->types);
	free(j->qemu_server);
	mode_choice_free(&j->mode);
	strlist_free(&j->mappings);
	config_changes_free(&j->changes);
	strlist_free(&j->notes);
}

static int read_settings(struct set_job *j, struct err *e)
{
	int rc = cluster_mounted(&j->c->root, e);

	if (rc == 0)
		rc = root_read(&j->c->root, SETTINGS_PATH, &j->text, &j->len, e);
	if (rc == -ENOENT && cluster_mounted(&j->c->root, NULL) == 0) {
		err_clear(e);
		j->text = xstrdup("");
		rc = 0;
	}
	if (rc < 0)
		return rc;
	settings_parse(j->text, j->len, "/" SETTINGS_PATH, &j->before);
	rc = settings_vm(&j->before, j->vm.vmid, &j->old, e);
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

bool hookscript_is_ours(const struct root *r, const char *volid)
{
	AUTO_STORAGES struct storage_list l = { 0 };
	AUTO_FREE char *path = NULL;

	return volid && storage_list_read(r, &l, NULL) == 0 &&
		storage_snippet_path(&l, volid, &path, NULL) == 0 && snippet_is_ours(r, path);
}

/* A hookscript that PVE would refuse is not worth being called after ours. */
static int check_hookscript(const struct set_job *j, const char *volid, struct err *e)
{
	AUTO_STORAGES struct storage_list l = { 0 };
	AUTO_FREE char *path = NULL;
	AUTO_ERR struct err why = { 0 };
	int rc = storage_list_read(&j->c->root, &l, e);

	if (rc < 0 || !j->vm.local)
		return rc;
	rc = storage_snippet_path(&l, volid, &path, &why);
	if (rc == 0 && root_exists(&j->c->root, path))
		return 0;
	if (rc == 0)
		fail(&why, -ENOENT, "there is no file '%s'", path);
	fail(e, -ENOENT, "the VM has the hookscript %s, which cannot be called: %s", QUOTED(volid),
	     why.msg);
	err_hint(e, "put it back, or take it out of the VM: qm set %u --delete hookscript", j->vm.vmid);
	return -ENOENT;
}

static int find_hookscript(struct set_job *j, struct err *e)
{
	const char *has = vm_file_next(&j->vm, "hookscript");

	if (hookscript_is_ours(&j->c->root, has)) {
		j->volid = xstrdup(has);
		return 0;
	}

	int rc = snippet_volume(&j->c->root, &j->volid, e);

	return rc == 0 && has ? check_hookscript(j, has, e) : rc;
}

int set_read(struct set_job *j, struct err *e)
{
	int rc = vm_file_read(&j->c->root, j->asked->vmid, &j->vm, e);

	if (rc == 0)
		rc = check_vm(j, e);
	if (rc == 0)
		rc = read_settings(j, e);
	return rc < 0 ? rc : find_hookscript(j, e);
}
