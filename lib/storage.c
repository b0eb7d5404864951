/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "storage.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "cluster.h"
#include "digest.h"
#include "quote.h"
#include "section_config.h"
#include "xalloc.h"

#define LOCAL		"local"
#define LOCAL_PATH	"/var/lib/vz"

/* --- the file --- */

/* What PVE takes for a list: separated by commas, semicolons and blanks (PVE::ParseUtils). */
static void split_list(const char *text, struct strlist *out)
{
	static const char separators[] = ",; \t\r\v\f";

	for (text += strspn(text, separators); *text; text += strspn(text, separators)) {
		size_t len = strcspn(text, separators);

		strlist_take(out, xstrndup(text, len));
		text += len;
	}
}

static bool is_word(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(text, words[i]))
			return true;
	return false;
}

/* @SHARED_STORAGE of Plugin.pm, and what is shared by its nature besides */
static bool type_is_shared(const char *type)
{
	static const char *const shared[] = {
		"iscsi", "nfs", "cifs", "rbd", "cephfs", "iscsidirect", "zfs", "drbd", "pbs",
		"glusterfs", "esxi",
	};

	return is_word(type, shared, ARRAY_SIZE(shared));
}

/* pve-common src/PVE/JSONSchema.pm, parse_id() */
static bool is_storage_id(const char *s)
{
	size_t len = strlen(s);

	if (len < 2 || !isalpha((unsigned char)*s) || !isalnum((unsigned char)s[len - 1]))
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("-_.", *s))
			return false;
	return true;
}

/* "iso=/sub/dir": one of content-dirs, which does not lead upwards (verify_dir_override()) */
static bool is_content_dir(const char *s)
{
	const char *dir = s + strspn(s, "abcdefghijklmnopqrstuvwxyz");

	return dir > s && dir[0] == '=' && dir[1] && !strstr(dir, "..") && s[strlen(s) - 1] != '.';
}

/* content-dirs is "iso=/sub/dir,snippets=/other". Where PVE cannot read one of them it goes by none. */
static char *snippets_of(const char *content_dirs)
{
	static const char key[] = "snippets=";
	AUTO_STRLIST struct strlist dirs = { 0 };
	AUTO_FREE char *found = NULL;

	split_list(content_dirs, &dirs);
	for (size_t i = 0; i < dirs.n; i++) {
		if (!is_content_dir(dirs.s[i]))
			return NULL;
		if (strncmp(dirs.s[i], key, sizeof(key) - 1))
			continue;
		free(found);
		found = xstrdup(dirs.s[i] + sizeof(key) - 1);
	}
	return take_ptr(found);
}

/* A path is absolute; PVE passes over any other (verify_path()). */
static char *path_of(const struct section *s)
{
	const char *path = section_value(s, "path");

	return path && path[0] == '/' && path[1] && !strchr(";()", path[1]) ? xstrdup(path) : NULL;
}

/* What a storage without `content` holds; none of them is snippets. */
static const char *default_content(const char *type)
{
	if (!strcmp(type, "dir") || !strcmp(type, "btrfs"))
		return "images,rootdir";
	return !strcmp(type, "cephfs") ? "backup" : "images";
}

static void fill(const struct section *s, struct storage *new)
{
	const char *content = section_value(s, "content");
	const char *nodes = section_value(s, "nodes");
	const char *dirs = section_value(s, "content-dirs");

	new->id = xstrdup(s->id);
	new->type = xstrdup(s->type);
	new->path = path_of(s);
	new->snippets = dirs ? snippets_of(dirs) : NULL;
	new->shared = section_bool(s, "shared") || type_is_shared(s->type);
	new->disabled = section_bool(s, "disable");
	split_list(content ? content : default_content(s->type), &new->content);
	if (nodes)
		split_list(nodes, &new->nodes);
}

static void storage_clear(struct storage *s)
{
	free(s->id);
	free(s->type);
	free(s->path);
	free(s->snippets);
	strlist_free(&s->content);
	strlist_free(&s->nodes);
}

/*
 * `local` is always a dir at /var/lib/vz on all nodes; where the file has
 * something else under that name, or nothing, PVE puts its own in.
 */
static bool is_right_local(const struct storage *s)
{
	return !strcmp(s->type, "dir") && (!s->path || !strcmp(s->path, LOCAL_PATH));
}

static void mend_local(struct storage *s)
{
	if (!is_right_local(s)) {
		storage_clear(s);
		*s = (struct storage){ .id = xstrdup(LOCAL), .type = xstrdup("dir") };
		split_list("backup,images,iso,rootdir,snippets,vztmpl", &s->content);
	}
	if (!s->path)
		s->path = xstrdup(LOCAL_PATH);
	strlist_free(&s->nodes);
}

int storage_list_parse(const char *text, size_t len, const char *file,
		       struct storage_list *out, struct err *e)
{
	AUTO_SECTION_CONFIG struct section_config c = { 0 };
	const struct section *local;
	int rc = section_config_parse(text, len, SECTION_TYPED, file, &c, e);

	if (rc < 0)
		return rc;
	*out = (struct storage_list){ 0 };
	local = section_find(&c, LOCAL);
	if (!local) {
		struct storage *own = GROW(out->s, out->n);

		own->type = xstrdup("");
		mend_local(own);
	}
	for (size_t i = 0; i < c.n; i++) {
		const struct section *s = &c.sections[i];

		if (!is_storage_id(s->id) || section_is_replaced(&c, s))
			continue;

		struct storage *new = GROW(out->s, out->n);

		fill(s, new);
		if (s == local)
			mend_local(new);
	}
	return 0;
}

int storage_list_read(const struct root *r, struct storage_list *out, struct err *e)
{
	AUTO_FREE char *text = NULL;
	AUTO_ERR struct err why = { 0 };
	size_t len = 0;
	int rc = root_read(r, STORAGE_CFG, &text, &len, &why);

	if (rc < 0 && rc != -ENOENT)
		return err_move(e, &why, rc);
	rc = storage_list_parse(text ? text : "", len, "/" STORAGE_CFG, out, e);
	if (rc == 0)
		out->digest = digest_of(text ? text : "", len);
	return rc;
}

void storage_list_free(struct storage_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		storage_clear(&l->s[i]);
	free(take_ptr(l->s));
	free(take_ptr(l->digest));
	l->n = 0;
}

/* --- questions --- */

const struct storage *storage_find(const struct storage_list *l, const char *id)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->s[i].id, id))
			return &l->s[i];
	return NULL;
}

bool storage_has_snippets(const struct storage *s)
{
	return strlist_has(&s->content, "snippets");
}

bool storage_is_local(const struct storage *s)
{
	return !s->shared && s->path && (!strcmp(s->type, "dir") || !strcmp(s->type, "btrfs"));
}

bool storage_on_node(const struct storage *s, const char *node)
{
	return !s->disabled && (!s->nodes.n || !node || strlist_has(&s->nodes, node));
}

char *storage_local_node(const struct root *r)
{
	char *node = NULL;

	return cluster_local_node(r, &node, NULL) < 0 ? NULL : node;
}

char *storage_snippets_dir(const struct storage *s)
{
	const char *sub = s->snippets ? s->snippets : "snippets";

	if (!s->path)
		return NULL;
	return xasprintf("%s%s%s", s->path, *sub == '/' ? "" : "/", sub);
}

/* What can be in a directory */
static bool is_file_name(const char *s)
{
	return *s && !strchr(s, '/') && strcmp(s, ".") != 0 && strcmp(s, "..") != 0;
}

int storage_snippet_path(const struct storage_list *l, const char *volid, char **path,
			 struct err *e)
{
	static const char kind[] = "snippets/";
	const char *colon = strchr(volid, ':');
	AUTO_FREE char *id = colon ? xstrndup(volid, (size_t)(colon - volid)) : NULL;
	const char *name = colon && !strncmp(colon + 1, kind, sizeof(kind) - 1) ?
		colon + sizeof(kind) : NULL;
	const struct storage *s;
	AUTO_FREE char *dir = NULL;

	/* PVE's names of storages begin with a letter; to its tools one that begins with "-" were an option. */
	if (!name || !is_file_name(name) || !isalpha((unsigned char)*id))
		return fail(e, -EINVAL, "%s is no snippet: it must read <storage>:snippets/<name>",
			    QUOTED(volid));
	s = storage_find(l, id);
	dir = s ? storage_snippets_dir(s) : NULL;
	if (!dir) {
		fail(e, -ENOENT, "%s: storage %s %s", QUOTED(volid), QUOTED(id),
		     s ? "has no directory" : "is not in /" STORAGE_CFG);
		err_hint(e, "'pvesm status' lists the storages");
		return -ENOENT;
	}
	*path = xasprintf("%s/%s", dir, name);
	return 0;
}

/* --- our hookscript --- */

static int identity(const struct root *r, const char *path, struct stat *st)
{
	AUTO_FD int fd = root_openat(r, path, O_PATH, 0);

	return fd < 0 ? fd : fstat(fd, st) < 0 ? -errno : 0;
}

/* A way that leads nowhere, as against one that could not be gone. */
static int not_there(int rc)
{
	return rc == -ENOTDIR || rc == -ELOOP ? -ENOENT : rc;
}

int snippet_tell(const struct root *r, const char *path, bool *ours)
{
	struct stat program = { 0 }, that;
	int rc = not_there(identity(r, path + (*path == '/'), &that)), mine;

	*ours = false;
	if (rc < 0)
		return rc;
	mine = not_there(identity(r, HOOK_PROGRAM, &program));
	*ours = mine == 0 && program.st_dev == that.st_dev && program.st_ino == that.st_ino;
	return mine == -ENOENT ? 0 : mine;
}

bool snippet_is_ours(const struct root *r, const char *path)
{
	bool ours;

	return snippet_tell(r, path, &ours) == 0 && ours;
}

char *snippet_link_in(const struct root *r, const char *dir)
{
	AUTO_FREE char *usual = xasprintf("%s/" SNIPPET_NAME, dir);
	AUTO_STRLIST struct strlist names = { 0 };

	if (snippet_is_ours(r, usual))
		return xstrdup(SNIPPET_NAME);
	if (root_list(r, dir + (*dir == '/'), &names, NULL) < 0)
		return NULL;
	strlist_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		AUTO_FREE char *path = xasprintf("%s/%s", dir, names.s[i]);

		if (snippet_is_ours(r, path))
			return xstrdup(names.s[i]);
	}
	return NULL;
}

int snippet_volume(const struct root *r, char **volid, struct err *e)
{
	AUTO_STORAGES struct storage_list l = { 0 };
	AUTO_FREE char *node = storage_local_node(r);
	int rc = storage_list_read(r, &l, e);

	if (rc < 0)
		return rc;
	/* `local` in a first round, the others in a second. */
	for (size_t i = 0; i < 2 * l.n; i++) {
		const struct storage *s = &l.s[i % l.n];
		AUTO_FREE char *dir = NULL;
		AUTO_FREE char *name = NULL;

		if ((i < l.n) != !strcmp(s->id, LOCAL) || !storage_is_local(s) ||
		    !storage_has_snippets(s) || !storage_on_node(s, node))
			continue;
		dir = storage_snippets_dir(s);
		name = snippet_link_in(r, dir);
		if (name) {
			*volid = xasprintf("%s:snippets/%s", s->id, name);
			return 0;
		}
	}
	fail(e, -ENOENT, "the hookscript is in no local storage of this node that holds snippets");
	err_hint(e, "pve-vgpu snippet install");
	return -ENOENT;
}

char *storage_status_word(const char *table, const char *id)
{
	size_t len = strlen(id);

	for (const char *s = table; s; s = strchr(s, '\n')) {
		s += *s == '\n';
		if (strncmp(s, id, len) || s[len] != ' ')
			continue;
		s += len + strspn(s + len, " ");
		s += strcspn(s, " \n");
		s += strspn(s, " ");
		return xstrndup(s, strcspn(s, " \n"));
	}
	return NULL;
}
