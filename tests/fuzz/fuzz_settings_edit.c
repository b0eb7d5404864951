/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * /etc/pve/pve-vgpu.conf, changed. The first two lines of the text are a key and
 * its value for VM 100, the others the file.
 */
#include "fuzz.h"
#include "settings.h"
#include "settings_edit.h"

#define VMID	100

static char *edit(const char *text, const char *key, const char *value)
{
	struct setting s = { key, value };
	char *out = NULL;

	return settings_edit_vm(text, strlen(text), VMID, &s, 1, &out, NULL) == 0 ? out : NULL;
}

/*
 * Whether the VM's section is not there, or has keys and this one is not among
 * them: an empty one goes with the last key, as documented.
 */
static bool is_new(const char *text, const char *key)
{
	AUTO_STRLIST struct strlist keys = { 0 };
	AUTO_SETTINGS struct settings s = { 0 };
	AUTO_FREE char *out = NULL;
	size_t comments, len = strlen(key);

	settings_parse(text, strlen(text), "before", &s);
	if (settings_purge_vm(text, strlen(text), VMID, &out, &keys, &comments, NULL) < 0)
		return false;
	for (size_t i = 0; i < keys.n; i++)
		if (!strncmp(keys.s[i], key, len) && strchr(" \t=", keys.s[i][len]))
			return false;
	return keys.n || !settings_section(&s, VMID);
}

/*
 * A byte order mark that is a fault where it stands would be none at the start of
 * the file: what would bring it there is refused.
 */
static bool has_inner_mark(const char *text)
{
	return *text && strstr(text + 1, CONF_BOM);
}

static void judge_set(const char *text, const char *key, const char *value)
{
	AUTO_FREE char *set = edit(text, key, value);

	if (!set)
		return;

	AUTO_FREE char *twice = edit(set, key, value);
	AUTO_FREE char *unset = edit(set, key, NULL);

	must_equal(twice, set, "set twice is set once");
	must(unset || has_inner_mark(set), "what was set can be unset");
	if (is_new(text, key))
		must_equal(unset, text, "unset of set is the text as it was");
}

static void judge_purge(const char *text)
{
	AUTO_STRLIST struct strlist removed = { 0 };
	AUTO_FREE char *out = NULL;
	size_t comments;

	if (settings_purge_vm(text, strlen(text), VMID, &out, &removed, &comments, NULL) < 0)
		return;
	if (!removed.n && strlen(out) == strlen(text))
		must_equal(out, text, "a purge of nothing changes nothing");

	AUTO_SETTINGS struct settings s = { 0 };

	settings_parse(out, strlen(out), "purged", &s);
	must(!settings_section(&s, VMID), "a purged VM has no section");
}

FUZZ(text, len)
{
	const char *file = text;
	AUTO_FREE char *key = fuzz_line(&file);
	AUTO_FREE char *value = fuzz_line(&file);

	if (strlen(text) != len || !*key)
		return;
	judge_set(file, key, value);
	judge_purge(file);
}
