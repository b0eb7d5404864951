/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* pve-helper/config_change is no part of the library. */
#include "../../pve-helper/config_change.c"

#include "tap.h"

/* A config with what waits in it, as vm_file_read() has it. */
static struct vm_file file(const char *text)
{
	struct vm_file f = { .vmid = 100 };
	AUTO_FREE char *next = NULL;

	pending_parse(text, strlen(text), &f.pending);
	next = pending_apply(&f.pending, text, strlen(text));
	CHECK_NUM(vmconf_parse(text, strlen(text), "100.conf", &f.conf, NULL), 0);
	CHECK_NUM(vmconf_parse(next, strlen(next), "100.conf", &f.next, NULL), 0);
	return f;
}

/* The options that give key this value, NULL: none; the caller frees them. */
static char *options(const char *text, const char *key, const char *value)
{
	AUTO_VM_FILE struct vm_file f = file(text);
	AUTO_CHANGES struct config_changes l = { 0 };
	AUTO_STRLIST struct strlist words = { 0 };

	config_want(&l, &f, key, value);
	if (!l.n)
		return NULL;
	config_words(&l, "D", &words);
	return strlist_join(&words, "|");
}

static void check(const char *text, const char *key, const char *value, const char *want)
{
	AUTO_FREE char *got = options(text, key, value);

	CHECK_STR(got, want);
}

int main(void)
{
	TEST("a change: set, delete, and nothing where it is so") {
		check("args: -a\n", "args", "-b", "--digest|D|--args|-b");
		check("args: -a\n", "args", "-a", NULL);
		check("args: -a\n", "args", NULL, "--digest|D|--delete|args");
		check("name: x\n", "args", NULL, NULL);
		check("name: x\n", "hookscript", "local:snippets/a", "--digest|D|--hookscript|local:snippets/a");
	}
	TEST("a change against what waits: back to the value of now is a revert") {
		static const char set[] = "hostpci0: 01:00.0\n\n[PENDING]\nhostpci0: 02:00.0\n";
		static const char gone[] = "hostpci0: 01:00.0\n\n[PENDING]\ndelete: hostpci0\n";
		static const char new[] = "name: x\n\n[PENDING]\nhostpci0: 02:00.0\n";

		check(set, "hostpci0", "01:00.0", "--digest|D|--revert|hostpci0");
		check(set, "hostpci0", "02:00.0", NULL);
		check(set, "hostpci0", "03:00.0", "--digest|D|--hostpci0|03:00.0");
		check(set, "hostpci0", NULL, "--digest|D|--delete|hostpci0");
		check(gone, "hostpci0", "01:00.0", "--digest|D|--revert|hostpci0");
		check(gone, "hostpci0", NULL, NULL);
		check(gone, "hostpci0", "02:00.0", "--digest|D|--hostpci0|02:00.0");
		check(new, "hostpci0", NULL, "--digest|D|--revert|hostpci0");
		check(new, "hostpci0", "01:00.0", "--digest|D|--hostpci0|01:00.0");
	}
	TEST("several changes are one call: values first, then what goes, then what is taken back") {
		AUTO_VM_FILE struct vm_file f = file("args: -a\nhostpci1: 01:00.0\nhostpci2: 01:00.0\n\n[PENDING]\nhostpci1: 02:00.0\n");
		AUTO_CHANGES struct config_changes l = { 0 };
		AUTO_STRLIST struct strlist words = { 0 };
		AUTO_FREE char *text = NULL;

		config_want(&l, &f, "hostpci1", "01:00.0");
		config_want(&l, &f, "hostpci2", NULL);
		config_want(&l, &f, "hookscript", "a:b");
		config_want(&l, &f, "args", NULL);
		config_words(&l, "D", &words);
		text = strlist_join(&words, "|");
		CHECK_STR(text, "--digest|D|--hookscript|a:b|--delete|hostpci2,args|--revert|hostpci1");
	}
	TEST("the config as the next start has it: what waits in place of what is, without other sections") {
		AUTO_VM_FILE struct vm_file f = file("#machine: no\nmachine: pc\nargs: -a\nbios: ovmf\n\n[PENDING]\nmachine: q35\nvga: none\n"
						     "delete: bios,args\n\n[snap]\nmachine: pc\nargs: -s\n");

		CHECK_STR(f.next.machine, "q35");
		CHECK_STR(f.next.vga, "none");
		CHECK_STR(f.next.bios, NULL);
		CHECK_STR(f.next.args, NULL);
		CHECK_STR(f.conf.args, "-a");
		CHECK_STR(f.conf.machine, "pc");
	}
	return tap_done();
}
