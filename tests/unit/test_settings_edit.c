/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "settings_edit.h"

#include <errno.h>

#include "cleanup.h"
#include "settings.h"
#include "settings_line.h"
#include "tap.h"
#include "xalloc.h"

#define BOM	"\xef\xbb\xbf"
#define ROUNDS	4000

static int edit(const char *text, unsigned int vmid, const char *key, const char *value,
		char **out, struct err *e)
{
	struct setting s = { key, value };

	return settings_edit_vm(text, strlen(text), vmid, &s, 1, out, e);
}

/* One key of VM 100 is set to value, or goes. */
static void check_edit(const char *text, const char *key, const char *value, const char *want)
{
	AUTO_FREE char *got = NULL;
	AUTO_ERR struct err e = { 0 };

	CHECK_NUM(edit(text, 100, key, value, &got, &e), 0);
	CHECK_STR(e.msg, NULL);
	CHECK_STR(got, want);
}

static void check_refused(const char *text, const char *key, const char *value, int rc, const char *want)
{
	AUTO_FREE char *got = NULL;
	AUTO_ERR struct err e = { 0 };

	CHECK_NUM(edit(text, 100, key, value, &got, &e), rc);
	CHECK_HAS(e.msg, want);
	CHECK(!got);
}

/* Set and unset again: the same bytes as before. */
static void check_there_and_back(const char *text)
{
	AUTO_FREE char *set = NULL;
	AUTO_FREE char *back = NULL;

	CHECK_NUM(edit(text, 100, "hostpci3", "A40-24A", &set, NULL), 0);
	CHECK_NUM(set ? edit(set, 100, "hostpci3", NULL, &back, NULL) : -1, 0);
	CHECK_STR(back, text);
}

static void test_set(void)
{
	TEST("settings_edit: a new section comes at the end, behind an empty line") {
		check_edit("", "hostpci0", "A40-24A", "[vm 100]\nhostpci0 = A40-24A\n");
		check_edit("# mine\n", "hostpci0", "A40-24A", "# mine\n\n[vm 100]\nhostpci0 = A40-24A\n");
		check_edit("[vm 99999]\nhostpci0 = a", "hostpci0", "b",
			   "[vm 99999]\nhostpci0 = a\n\n[vm 100]\nhostpci0 = b");
	}
	TEST("settings_edit: lines that come are ended as the text's are") {
		check_edit("# x\r\n", "hostpci0", "b", "# x\r\n\r\n[vm 100]\r\nhostpci0 = b\r\n");
		check_edit("[vm 100]\r\ngpu = A40\r", "hostpci0", "b", "[vm 100]\r\ngpu = A40\r\nhostpci0 = b\r");
		check_edit(BOM, "hostpci0", "b", BOM "[vm 100]\nhostpci0 = b\n");
	}
	TEST("settings_edit: a key keeps its place and the comment behind it") {
		check_edit("[vm 100] ; one\n# two\nhostpci0\t=  A40-12A  ; three\ngpu = A40\n\n# four\n[vm 101]\n",
			   "hostpci0", "A40-24A, A40-12A",
			   "[vm 100] ; one\n# two\nhostpci0\t=  A40-24A, A40-12A  ; three\ngpu = A40\n\n# four\n[vm 101]\n");
	}
	TEST("settings_edit: a key that has the value already keeps its line") {
		check_edit("[vm 100]\nhostpci0   =A40-12A\t \n", "hostpci0", "A40-12A",
			   "[vm 100]\nhostpci0   =A40-12A\t \n");
	}
	TEST("settings_edit: new keys come behind the last one of the section, in their order") {
		static const struct setting two[] = { { "mode", "args" }, { "pcie", "yes" }, { "ramfb", NULL } };
		static const char text[] = "[vm 100]\n# a\nhostpci0 = a\n# b\n\n[defaults]\n";
		AUTO_FREE char *got = NULL;

		CHECK_NUM(settings_edit_vm(text, strlen(text), 100, two, 3, &got, NULL), 0);
		CHECK_STR(got, "[vm 100]\n# a\nhostpci0 = a\nmode = args\npcie = yes\n# b\n\n[defaults]\n");
		check_edit("[vm 100] ; none yet\n# a\n", "hostpci0", "a", "[vm 100] ; none yet\nhostpci0 = a\n# a\n");
	}
	TEST("settings_edit: other sections keep their faults, and a lost one does not hinder a VM that has its own") {
		check_edit("[vm 101]\nbad\n hostpci0 = x\nhostpci0: a\n[vm 102]\n[vm 102]\n[node]\nx\n[vm 100]\nhostpci0 = a\n",
			   "hostpci0", "b",
			   "[vm 101]\nbad\n hostpci0 = x\nhostpci0: a\n[vm 102]\n[vm 102]\n[node]\nx\n[vm 100]\nhostpci0 = b\n");
	}
}

static void test_unset(void)
{
	TEST("settings_edit: a key that goes leaves the rest of its section") {
		check_edit("[vm 100]\nhostpci0 = a\nhostpci1 = b\n", "hostpci0", NULL, "[vm 100]\nhostpci1 = b\n");
		check_edit("[vm 100]\nhostpci0 = a\n", "hostpci1", NULL, "[vm 100]\nhostpci0 = a\n");
		check_edit("[vm 100]\nhostpci0 = a\nbad\n", "hostpci0", NULL, "[vm 100]\nbad\n");
		check_edit("[vm 100]\nhostpci0 = a\nhostpci0 = b\ngpu = A40\n", "hostpci0", NULL, "[vm 100]\ngpu = A40\n");
	}
	TEST("settings_edit: the last key takes header and one empty line with it") {
		check_edit("[vm 100]\nhostpci0 = a\n", "hostpci0", NULL, "");
		check_edit("[vm 99999]\ngpu = A40\n\n\n[vm 100]\nhostpci0 = a\n\n[vm 101]\n", "hostpci0", NULL,
			   "[vm 99999]\ngpu = A40\n\n\n[vm 101]\n");
	}
	TEST("settings_edit: no word of the admin goes with a section") {
		check_edit("[vm 101]\ngpu = A40\n\n[vm 100]\n# for CAD\nhostpci0 = a ; ask Bob\n", "hostpci0", NULL,
			   "[vm 101]\ngpu = A40\n\n# for CAD\n; ask Bob\n");
	}
	TEST("settings_edit: a section that had no key stays") {
		check_edit("[vm 100]\n# later\n", "hostpci0", NULL, "[vm 100]\n# later\n");
	}
	TEST("settings_edit: where there is no section, nothing goes") {
		check_edit("[vm 101]\nhostpci0 = a\n", "hostpci0", NULL, "[vm 101]\nhostpci0 = a\n");
	}
	TEST("settings_edit: set and unset again is the identity") {
		static const char *const texts[] = {
			"", "\n", "\n\n", " ", "\r\n", "\r", "a\r", "# x", "# x\n", "# x\n\n", "# x\r\n", "# a\r\n# b",
			"# a\r\n# b\r", "# a\n# b\r", "# a\r\n# b\n", BOM, BOM "# x", "[defaults]\ngpu = A40\n\n",
			"[vm 100]\ngpu = A40", "[vm 100]\ngpu = A40 ; x\n\n# y\n[vm 101]\nbad\n",
		};

		for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
			check_there_and_back(texts[i]);
	}
}

static void test_refused(void)
{
	static const char none[] = "[vm 101]\nhostpci0 = a\n";

	TEST("settings_edit: a value that no line can carry is refused, with the reason") {
		check_refused(none, "hostpci0", "a ;b", -EINVAL, "'hostpci0' cannot be set to 'a ;b': ';' behind a blank begins a comment");
		check_refused(none, "hostpci0", "a #b", -EINVAL, "'#' behind a value begins no comment");
		check_refused(none, "hostpci0", "#b", -EINVAL, "'#' behind a value begins no comment");
		check_refused(none, "hostpci0", " a", -EINVAL, "blanks around a value are not kept");
		check_refused(none, "hostpci0", "a\t", -EINVAL, "blanks around a value are not kept");
		check_refused(none, "hostpci0", "", -EINVAL, "no value");
		check_refused(none, "hostpci0", " ", -EINVAL, "no value");
		check_refused(none, "hostpci0", ";x", -EINVAL, "no value");
		check_refused(none, "hostpci0", "a\nhostpci1 = b", -EINVAL, "\\x0a in the line");
		check_refused(none, "hostpci0", "a\r", -EINVAL, "\\x0d in the line");
		check_refused(none, "hostpci0", "a\033", -EINVAL, "\\x1b in the line");
		check_refused(none, "hostpci0", "a" BOM, -EINVAL, "a byte order mark in the line");
		check_refused(none, "host=pci0", "a", -EINVAL, "'host=pci0' is no name of a key");
		check_refused(none, "#hostpci0", "a", -EINVAL, "'#hostpci0' is no name of a key");
	}
	TEST("settings_edit: a line of the longest length is written, one more is refused, the comment counted") {
		AUTO_FREE char *value = xcalloc(SETTINGS_LINE_MAX, 1);
		AUTO_FREE char *got = NULL;

		/* "next-hook = local:xxx…" */
		memset(value, 'x', SETTINGS_LINE_MAX - strlen("next-hook = "));
		memcpy(value, "local:snippets/", strlen("local:snippets/"));
		CHECK_NUM(edit("", 100, "next-hook", value, &got, NULL), 0);
		value[strlen(value)] = 'x';
		check_refused("", "next-hook", value, -E2BIG, "the line would have 198 characters, and at most 197 are read");
		value[150] = '\0';
		check_refused("[vm 100]\nnext-hook = a ; 0123456789012345678901234567890123456789\n", "next-hook", value,
			      -E2BIG, "'next-hook' cannot be set to 'local:");
	}
	TEST("settings_edit: a value that its key does not take is refused") {
		check_refused(none, "mode", "magic", -EINVAL, "'mode' cannot be set to 'magic': ");
		check_refused(none, "colour", "red", -EINVAL, "'colour' is no key");
	}
	TEST("settings_edit: a fault of the VM's section that would stay is told, and one that goes is none") {
		check_refused("[vm 100]\nbad\n", "hostpci0", "a", -EINVAL, "/etc/pve/pve-vgpu.conf:2: 'bad' has no '='");
		check_edit("[vm 100]\nhostpci0 = a,,b\n", "hostpci0", "a", "[vm 100]\nhostpci0 = a\n");
	}
	TEST("settings_edit: two sections of the VM, a lost header while it has none, and NUL bytes are refused") {
		static const char nul[] = "[vm 100]\n# \0\n";
		AUTO_FREE char *got = NULL;
		AUTO_ERR struct err e = { 0 };

		check_refused("[vm 100]\n[vm 101]\n[vm 100]\n", "hostpci0", "a", -EINVAL,
			      "/etc/pve/pve-vgpu.conf:3: section [vm 100] is there already, in line 1");
		check_refused("# x\n[vm 10O]\nhostpci0 = a\n", "hostpci0", "a", -EINVAL,
			      "/etc/pve/pve-vgpu.conf:2: '[vm 10O]' names no VM");
		check_refused("[vm 100]\nhostpci0 = a\n" BOM "[vm 101]\n", "hostpci0", NULL, -EINVAL,
			      "/etc/pve/pve-vgpu.conf:3: a byte order mark in the line");
		CHECK_NUM(settings_edit_vm(nul, sizeof(nul) - 1, 100, NULL, 0, &got, &e), -EINVAL);
		CHECK_HAS(e.msg, "NUL byte");
	}
}

static void test_purge(void)
{
	TEST("settings_purge_vm: all keys go and are told, comments stay and are counted") {
		static const char text[] = "[vm 99999]\n\n[vm 100]\n# a\nhostpci0 = a ; b\ngpu=A40\t\n\n[vm 101]\nbad\n";
		AUTO_FREE char *got = NULL;
		AUTO_STRLIST struct strlist removed = { 0 };
		size_t comments;

		CHECK_NUM(settings_purge_vm(text, strlen(text), 100, &got, &removed, &comments, NULL), 0);
		CHECK_STR(got, "[vm 99999]\n\n# a\n; b\n\n[vm 101]\nbad\n");
		CHECK_NUM(comments, 2);
		CHECK_NUM(removed.n, 2);
		CHECK_STR(removed.n ? removed.s[0] : NULL, "hostpci0 = a");
		CHECK_STR(removed.n ? removed.s[1] : NULL, "gpu=A40");
	}
	TEST("settings_purge_vm: a section that kept a mark from the start of the file stays") {
		static const char text[] = "[vm 100]\nhostpci0 = a\n" BOM "[vm 101]\nhostpci0 = b\n";
		AUTO_FREE char *got = NULL;
		AUTO_STRLIST struct strlist removed = { 0 };
		AUTO_ERR struct err e = { 0 };
		size_t comments;

		CHECK_NUM(settings_purge_vm(text, strlen(text), 100, &got, &removed, &comments, &e), -EINVAL);
		CHECK_STR(got, NULL);
		CHECK_HAS(e.msg, "/etc/pve/pve-vgpu.conf:3: a byte order mark in the line");
	}
	TEST("settings_purge_vm: a section with a fault is left, and one that is not there is no matter") {
		static const char text[] = "[vm 100]\nhostpci0 = a\nnote: ask Bob\n";
		AUTO_FREE char *got = NULL;
		AUTO_STRLIST struct strlist removed = { 0 };
		AUTO_ERR struct err e = { 0 };
		size_t comments;

		CHECK_NUM(settings_purge_vm(text, strlen(text), 100, &got, &removed, &comments, &e), -EINVAL);
		CHECK_HAS(e.msg, "/etc/pve/pve-vgpu.conf:3: ");
		CHECK_NUM(settings_purge_vm(text, strlen(text), 101, &got, &removed, &comments, NULL), 0);
		CHECK_STR(got, text);
		CHECK_NUM(removed.n, 0);
	}
}

/* --- any text --- */

static unsigned int seed = 1;

static unsigned int pick(unsigned int n)
{
	seed = seed * 1103515245u + 12345u;
	return (seed >> 16) % n;
}

static char *any_text(void)
{
	static const char *const bits[] = {
		"[vm 100]", "[vm 101]", "[defaults]", "[vm 100] ; x", "[vm", "[node]", "hostpci0 = a", "hostpci1 = b ; c",
		"hostpci0=a", "gpu = A40", "# x", "; y", " z", "\t", "", "", "", "bad", " hostpci0 = x", "a = b # c",
		"placement = pack\t", "\r", "\x01", BOM, "k:v", "= x", "k =", "vm 100", "mode = args ;x", "hostpci2 = a;b",
	};
	static const char *const ends[] = { "\n", "\n", "\n", "\r\n", "", "\r" };
	char *text;
	size_t len;
	FILE *f = xmemstream(&text, &len);
	unsigned int lines = pick(12), end = pick(4) ? pick(2) * 3 : 6;

	if (!pick(10))
		fputs(BOM, f);
	for (unsigned int i = 0; i < lines; i++)
		fprintf(f, "%s%s", bits[pick(ARRAY_SIZE(bits))], ends[end < 6 ? end : pick(6)]);
	if (pick(2))
		fputs(bits[pick(ARRAY_SIZE(bits))], f);
	fclose(f);
	return text;
}

/* What settings_parse() makes of one key of a VM's section that has no fault. */
static bool reads_mode(const char *text, enum vm_mode mode)
{
	AUTO_SETTINGS struct settings s = { 0 };

	settings_parse(text, strlen(text), "f", &s);
	for (size_t i = 0; i < s.n_vms; i++)
		if (s.vms[i].vmid == 100)
			return !s.vms[i].fault && s.vms[i].mode == mode;
	return mode == MODE_UNSET;
}

/* A header of VM 100 without a key below it means nothing, and goes with the key that comes. */
static bool has_empty_section(const char *text)
{
	const char *next = text + (strncmp(text, BOM, 3) ? 0 : 3), *end = text + strlen(text), *start;
	bool inside = false, empty = false;
	size_t len;

	while ((start = conf_line_cut(&next, end, &len))) {
		AUTO_CONF_LINE struct conf_line l = { 0 };
		AUTO_FREE char *line = xstrndup(start, len);

		settings_line_read(line, &l);
		if (conf_line_is_header(&l)) {
			inside = settings_line_is_vm(&l, 100);
			empty = empty || inside;
		} else if (inside && l.kind != LINE_COMMENT) {
			empty = false;
		}
	}
	return empty;
}

static void test_any(void)
{
	unsigned int edited = 0, there_and_back = 0;

	TEST("settings_edit: on any text, nothing to change is the identity, and what is set is read") {
		for (unsigned int i = 0; i < ROUNDS; i++) {
			AUTO_FREE char *text = any_text();
			AUTO_FREE char *same = NULL;
			AUTO_FREE char *set = NULL;

			if (settings_edit_vm(text, strlen(text), 100, NULL, 0, &same, NULL) == 0)
				CHECK_STR(same, text);
			if (edit(text, 100, "mode", "wrapper", &set, NULL) < 0)
				continue;
			CHECK(reads_mode(set, MODE_WRAPPER));
			edited++;
		}
		CHECK(edited > ROUNDS / 4);
	}
	TEST("settings_edit: on any text, set and unset is the identity") {
		for (unsigned int i = 0; i < ROUNDS; i++) {
			AUTO_FREE char *text = any_text();
			AUTO_FREE char *set = NULL;
			AUTO_FREE char *back = NULL;

			if (has_empty_section(text) || edit(text, 100, "ramfb", "yes", &set, NULL) < 0)
				continue;
			CHECK_NUM(edit(set, 100, "ramfb", NULL, &back, NULL), 0);
			CHECK_STR(back, text);
			there_and_back++;
		}
		CHECK(there_and_back > ROUNDS / 8);
	}
}

int main(void)
{
	test_set();
	test_unset();
	test_refused();
	test_purge();
	test_any();
	return tap_done();
}
