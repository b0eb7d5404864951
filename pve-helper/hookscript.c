/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "hookscript.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "next_hook.h"
#include "quote.h"
#include "storage.h"

static int cannot_look(struct err *e, int rc, const char *volid, unsigned int vmid)
{
	fail_errno(e, -rc, "look at the VM's hookscript %s", QUOTED(volid));
	err_hint(e, "whether it is pve-vgpu is not known: put it right, or take it out: qm set %u --delete hookscript", vmid);
	return rc;
}

/* The file of a snippet, by storage.cfg alone; NULL: that does not tell. The caller frees it. */
static int path_of(const struct root *r, const char *volid, char **path, struct err *e)
{
	AUTO_STORAGES struct storage_list l = { 0 };
	int rc = storage_list_read(r, &l, e);

	*path = NULL;
	if (rc == 0)
		storage_snippet_path(&l, volid, path, NULL);
	return rc;
}

int hookscript_whose(const struct root *r, unsigned int vmid, const char *volid, enum hookscript *whose,
		     struct err *e)
{
	AUTO_FREE char *path = NULL;
	bool ours = false;
	int rc;

	*whose = volid ? HOOKSCRIPT_OTHER : HOOKSCRIPT_NONE;
	rc = volid ? path_of(r, volid, &path, e) : 0;
	if (!path)
		return rc;
	rc = snippet_tell(r, path, &ours);
	if (rc < 0 && rc != -ENOENT)
		return cannot_look(e, rc, volid, vmid);
	if (ours)
		*whose = HOOKSCRIPT_OURS;
	else if (rc == -ENOENT && !strcmp(path_base(path), SNIPPET_NAME))
		*whose = HOOKSCRIPT_LOST;
	return 0;
}

/* 1: the file has the program's bytes, 0: it has not, or is not there; -errno */
static int is_program(const struct root *r, const char *path)
{
	AUTO_FREE char *ours = NULL, *that = NULL;
	size_t len, that_len;
	int rc = root_read(r, path, &that, &that_len, NULL);

	if (rc == 0)
		rc = root_read(r, HOOK_PROGRAM, &ours, &len, NULL);
	if (rc < 0)
		return rc == -ENOENT || rc == -EFBIG ? 0 : rc;
	return len == that_len && !memcmp(ours, that, len);
}

int hookscript_is_copy(const struct root *r, unsigned int vmid, const char *volid, bool *copy, struct err *e)
{
	AUTO_FREE char *path = NULL;
	bool ours = false;
	int rc = path_of(r, volid, &path, e);

	*copy = false;
	if (!path)
		return rc;
	rc = snippet_tell(r, path, &ours);
	if (rc == 0 && !ours)
		rc = is_program(r, path + (*path == '/'));
	if (rc < 0 && rc != -ENOENT)
		return cannot_look(e, rc, volid, vmid);
	*copy = rc > 0;
	return 0;
}

/* A plain file that can be run, links followed. */
static int look_at(const struct root *r, const char *path, struct err *e)
{
	AUTO_FD int fd = root_openat(r, path, O_PATH, 0);
	struct stat st;
	int rc = fd < 0 ? fd : 0;

	if (rc == 0 && fstat(fd, &st) < 0)
		rc = -errno;
	if (rc < 0 && rc != -ENOENT && rc != -ENOTDIR)
		return fail_errno(e, -rc, "look at %s", QUOTED(path));
	if (rc < 0 || !S_ISREG(st.st_mode))
		return fail(e, -ENOENT, "there is no file %s", QUOTED(path));
	if (!(st.st_mode & 0111))
		return fail(e, -EACCES, "%s is not executable", QUOTED(path));
	return 0;
}

int hookscript_callable(const struct root *r, const char *volid, struct err *e)
{
	AUTO_FREE char *path = NULL;
	int rc = next_hook_path(r, volid, &path, e);

	return rc < 0 ? rc : look_at(r, path, e);
}

int hookscript_check(const struct root *r, unsigned int vmid, const char *volid, struct err *e)
{
	AUTO_ERR struct err why = { 0 };
	int rc = hookscript_callable(r, volid, &why);

	if (rc == 0)
		return 0;
	fail(e, rc, "the VM has the hookscript %s, which cannot be called: %s", QUOTED(volid), why.msg);
	err_hint(e, "put it right, or take it out of the VM: qm set %u --delete hookscript", vmid);
	return rc;
}
