/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>
#include <ini.h>

#include "cleanup.h"
#include "scratch.h"
#include "settings.h"
#include "settings_file.h"
#include "tap.h"
#include "xalloc.h"

#define F	"f.conf"
#define BOM	"\xef\xbb\xbf"
#define LOST	": what follows is not read"

static struct settings parse(const char *text)
{
	struct settings s;

	settings_parse(text, strlen(text), F, &s);
	return s;
}

/* The fault that stops the VM, or NULL; lives as long as s. */
static const char *fault_of(const struct settings *s, unsigned int vmid)
{
	const struct vm_settings *vm;
	static char *kept;
	AUTO_ERR struct err e = { 0 };

	free(take_ptr(kept));
	if (settings_vm(s, vmid, &vm, &e) == 0)
		return NULL;
	kept = take_ptr(e.msg);
	return kept;
}

/* VM 100 stops with want; VM 200 does not, but is warned of the same. */
static void check_vm_fault(const char *text, const char *want)
{
	AUTO_SETTINGS struct settings s = parse(text);
	AUTO_STRLIST struct strlist own = { 0 };
	AUTO_STRLIST struct strlist others = { 0 };

	CHECK_STR(fault_of(&s, 100), want);
	CHECK_STR(fault_of(&s, 200), NULL);
	settings_warnings_for(&s, 100, &own);
	settings_warnings_for(&s, 200, &others);
	CHECK_NUM(own.n, 0);
	CHECK_NUM(others.n, 1);
	CHECK_STR(others.n ? others.s[0] : NULL, want);
}

/* Every VM stops with want. */
static void check_fault_for_all(const char *text, size_t len, const char *want)
{
	AUTO_SETTINGS struct settings s = { 0 };

	settings_parse(text, len, F, &s);
	CHECK_STR(s.fault, want);
	CHECK_STR(fault_of(&s, 100), want);
	CHECK_STR(fault_of(&s, 200), want);
}

static void check_defaults_fault(const char *text, const char *want)
{
	check_fault_for_all(text, strlen(text), want);
}

/* VM 100 has a section before the header that is lost, VM 200 has none. */
static void check_lost(const char *header, const char *want)
{
	AUTO_FREE char *text = xasprintf("[vm 100]\nhostpci0 = a\n%s\nhostpci1 = b\nnonsense\n", header);
	AUTO_SETTINGS struct settings s = parse(text);
	AUTO_STRLIST struct strlist warnings = { 0 };

	CHECK_STR(s.lost, want);
	CHECK_STR(fault_of(&s, 100), NULL);
	CHECK_STR(fault_of(&s, 200), want);
	CHECK(settings_has_intent(&s, 100, 0));
	CHECK(!settings_has_intent(&s, 100, 1));
	settings_warnings_for(&s, 100, &warnings);
	CHECK_NUM(warnings.n, 1);
	CHECK_STR(warnings.n ? warnings.s[0] : NULL, want);
}

/* Choices of one intent as "a|b", or NULL; lives until the next call. */
static const char *choices(const struct settings *s, unsigned int vmid, unsigned int index)
{
	static char buf[1024];
	const struct vm_settings *vm = NULL;

	buf[0] = '\0';
	if (settings_vm(s, vmid, &vm, NULL) < 0 || !vm)
		return NULL;
	for (size_t i = 0; i < vm->n_intents; i++) {
		const struct strlist *l = &vm->intents[i].choices;

		if (vm->intents[i].index != index)
			continue;
		for (size_t j = 0; j < l->n; j++) {
			strcat(buf, j ? "|" : "");
			strcat(buf, l->s[j]);
		}
		return buf;
	}
	return NULL;
}

static void test_whole_file(void)
{
	TEST("settings: an empty text gives the built-in values and no intents") {
		AUTO_SETTINGS struct settings s = parse("");

		CHECK_NUM(s.cleanup_wait_s, 3);
		CHECK_NUM(s.start_grace_s, 300);
		CHECK_NUM(s.lock_wait_s, 60);
		CHECK(!s.has_placement && !s.n_gpus && !s.n_vms && !s.fault && !s.lost);
		CHECK_NUM(s.placement, PLACEMENT_FIRST);
		CHECK_STR(fault_of(&s, 100), NULL);
		CHECK_STR(choices(&s, 100, 0), NULL);
	}
	TEST("settings: reads a whole file") {
		AUTO_SETTINGS struct settings s = parse(
			"# vGPUs of this cluster\n"
			"[defaults]\n"
			"gpu = 0000:3b:00.0, 5E:00.0\n"
			"placement = spread\n"
			"cleanup-wait = 0\n"
			"start-grace = 3600\n"
			"lock-wait = 1\n"
			"\n"
			"[vm 100]\n"
			"hostpci1 = A40-24A, NVIDIA A40-12A ,575\n"
			"hostpci0=A40-4Q\n"
			"[vm 101]\n"
			"hostpci15 = DC-48C\n"
			"gpu = 0000:86:00.0\n"
			"placement = pack\n");
		const struct vm_settings *vm = NULL;

		CHECK_STR(s.fault, NULL);
		CHECK_NUM(s.cleanup_wait_s, 0);
		CHECK_NUM(s.start_grace_s, 3600);
		CHECK_NUM(s.lock_wait_s, 1);
		CHECK_STR(choices(&s, 100, 1), "A40-24A|NVIDIA A40-12A|575");
		CHECK_STR(choices(&s, 100, 0), "A40-4Q");
		CHECK_NUM(settings_vm(&s, 101, &vm, NULL), 0);
		CHECK_NUM(vm->n_intents, 1);
		CHECK_NUM(vm->intents[0].index, 15);
		CHECK_NUM(vm->intents[0].line, 13);
		CHECK_NUM(vm->line, 12);
	}
	TEST("settings: intents come by ascending index") {
		AUTO_SETTINGS struct settings s = parse("[vm 100]\nhostpci9 = a\nhostpci0 = b\nhostpci15 = c\nhostpci2 = d\n");
		static const unsigned int want[] = { 0, 2, 9, 15 };
		const struct vm_settings *vm = NULL;

		CHECK_NUM(settings_vm(&s, 100, &vm, NULL), 0);
		CHECK_NUM(vm->n_intents, 4);
		for (size_t i = 0; i < 4; i++)
			CHECK_NUM(vm->intents[i].index, want[i]);
		CHECK_STR(vm->intents[1].choices.s[0], "d");
		CHECK_NUM(vm->intents[1].line, 5);
	}
}

static void test_gpu_and_placement(void)
{
	TEST("settings: boards and addresses in one list, inherited together") {
		AUTO_SETTINGS struct settings s = parse("[defaults]\ngpu = A40, 01:00.0, RTX6000-Ada\n"
							"[vm 100]\nhostpci0 = a\n"
							"[vm 101]\nhostpci0 = a\ngpu = RTX Pro 6000 Blackwell DC\n"
							"[vm 102]\nhostpci0 = a\ngpu = 02:00.0\n");

		CHECK_STR(s.fault, NULL);
		CHECK_NUM(s.vms[0].n_gpus, 1);
		CHECK_NUM(s.vms[0].boards.n, 2);
		CHECK_STR(s.vms[0].boards.s[1], "RTX6000-Ada");
		CHECK_NUM(s.vms[1].n_gpus, 0);
		CHECK_STR(s.vms[1].boards.s[0], "RTX Pro 6000 Blackwell DC");
		CHECK_NUM(s.vms[2].n_gpus, 1);
		CHECK_NUM(s.vms[2].boards.n, 0);
	}
	TEST("settings: a VM has its own gpu and placement, else those of [defaults], wherever they stand") {
		AUTO_SETTINGS struct settings s = parse(
			"[vm 100]\nhostpci0 = a\n"
			"[vm 101]\nhostpci0 = a\ngpu = 02:00.0\nplacement = first\n"
			"[defaults]\ngpu = 01:00.0\nplacement = pack\n");
		const struct vm_settings *vm = NULL;

		CHECK_NUM(settings_vm(&s, 100, &vm, NULL), 0);
		CHECK_NUM(vm->n_gpus, 1);
		CHECK_STR(BDF_STR(&vm->gpus[0]), "0000:01:00.0");
		CHECK_NUM(vm->placement, PLACEMENT_PACK);
		CHECK(vm->has_placement);
		CHECK_NUM(settings_vm(&s, 101, &vm, NULL), 0);
		CHECK_NUM(vm->n_gpus, 1);
		CHECK_STR(BDF_STR(&vm->gpus[0]), "0000:02:00.0");
		CHECK_NUM(vm->placement, PLACEMENT_FIRST);
	}
	TEST("settings: without any placement there is none") {
		AUTO_SETTINGS struct settings s = parse("[vm 100]\nhostpci0 = a\n");
		const struct vm_settings *vm = NULL;

		CHECK_NUM(settings_vm(&s, 100, &vm, NULL), 0);
		CHECK(!vm->has_placement && !vm->n_gpus);
		CHECK_NUM(vm->placement, PLACEMENT_FIRST);
	}
}

static void test_has_intent(void)
{
	TEST("settings: a section without hostpci is as none") {
		AUTO_SETTINGS struct settings s = parse("[vm 100]\ngpu = 01:00.0\n");

		CHECK_STR(fault_of(&s, 100), NULL);
		CHECK_STR(choices(&s, 100, 0), NULL);
		CHECK(!settings_has_intent(&s, 100, 0));
	}
	TEST("settings_has_intent: asks for one index of one VM") {
		AUTO_SETTINGS struct settings s = parse("[vm 100]\nhostpci1 = a\n[vm 101]\nhostpci0 = a\n");

		CHECK(settings_has_intent(&s, 100, 1));
		CHECK(!settings_has_intent(&s, 100, 0));
		CHECK(settings_has_intent(&s, 101, 0));
		CHECK(!settings_has_intent(&s, 102, 0));
	}
}

static void test_placement_name(void)
{
	TEST("placement_name: is what the settings say") {
		CHECK_STR(placement_name(PLACEMENT_FIRST), "first");
		CHECK_STR(placement_name(PLACEMENT_SPREAD), "spread");
		CHECK_STR(placement_name(PLACEMENT_PACK), "pack");
	}
}

static void test_form(void)
{
	TEST("settings: comments, blank lines and blanks around words are fine") {
		AUTO_SETTINGS struct settings s = parse(
			"; one\n  # two\n\t\n   \n[vm 100] ; three\n"
			"hostpci0 \t=\t A40-24A \t; four = five\n#hostpci1 = b\n[vm \t 101]\nhostpci0=a\t\n");

		CHECK_STR(s.fault, NULL);
		CHECK_STR(fault_of(&s, 100), NULL);
		CHECK_STR(choices(&s, 100, 0), "A40-24A");
		CHECK_STR(choices(&s, 101, 0), "a");
		CHECK(!settings_has_intent(&s, 100, 1));
	}
	TEST("settings: ';' without a blank before it is part of the value, as in inih") {
		AUTO_SETTINGS struct settings s = parse("[vm 100]\nhostpci0 = a;b\n");

		CHECK_STR(choices(&s, 100, 0), "a;b");
	}
	TEST("settings: CR LF ends a line, and the last line needs no end") {
		AUTO_SETTINGS struct settings s = parse("[vm 100]\r\nhostpci0 = a\r\n\r\nhostpci1 = b");
		AUTO_SETTINGS struct settings t = parse("[vm 100]\r\nhostpci0 = a\r");

		CHECK_STR(choices(&s, 100, 0), "a");
		CHECK_STR(choices(&s, 100, 1), "b");
		CHECK_STR(choices(&t, 100, 0), "a");
	}
	TEST("settings: a byte order mark at the start is passed over") {
		AUTO_SETTINGS struct settings s = parse(BOM "[vm 100]\nhostpci0 = a\n");
		AUTO_SETTINGS struct settings t = parse(BOM);

		CHECK_STR(choices(&s, 100, 0), "a");
		CHECK_STR(t.fault, NULL);
	}
	TEST("settings: comments may be of any length, and lines keep their numbers") {
		AUTO_FREE char *comment = xcalloc(100001, 1);

		memset(comment, 'x', 100000);

		AUTO_FREE char *text = xasprintf("[vm 100]\n#%s\n  ;%s\nhostpci0 = a\nbad\n[vm 200]\n",
						 comment, comment);
		AUTO_SETTINGS struct settings s = parse(text);

		CHECK_STR(fault_of(&s, 100), F ":5: 'bad' has no '='; write 'name = value'");
		CHECK_NUM(s.vms[0].intents[0].line, 4);
	}
	TEST("settings: UTF-8 in comments and values is no matter") {
		AUTO_SETTINGS struct settings s = parse("# B\xc3\xbcro\n[vm 100]\nhostpci0 = \xc3\xbc ; \xe2\x82\xac\n");

		CHECK_STR(choices(&s, 100, 0), "\xc3\xbc");
	}
}

static char *line_of_length(size_t len)
{
	char *line = xcalloc(len + 1, 1);

	memset(line, 'x', len);
	memcpy(line, "hostpci0=", 9);
	return line;
}

static void test_line_length(void)
{
	TEST("settings: the longest line is read whole, one more character is a fault") {
		AUTO_FREE char *longest = line_of_length(SETTINGS_LINE_MAX);
		AUTO_FREE char *text = xasprintf("[vm 100]\r\n%s\r\n[vm 200]\r\n", longest);
		AUTO_SETTINGS struct settings s = parse(text);

		CHECK_NUM(strlen(choices(&s, 100, 0)), SETTINGS_LINE_MAX - 9);
		for (size_t len = SETTINGS_LINE_MAX + 1; len < 3 * INI_MAX_LINE; len++) {
			AUTO_FREE char *line = line_of_length(len);
			AUTO_FREE char *bad = xasprintf("[vm 100]\n%s\n[vm 200]\nhostpci0 = a\n", line);
			AUTO_FREE char *want = xasprintf(F ":2: the line has %zu characters and at most 197 are read; "
							 "shorten it, a comment can have its own line", len);

			check_vm_fault(bad, want);
		}
	}
	TEST("settings: a comment behind a value counts for the length, behind a header it does not") {
		AUTO_FREE char *pad = xcalloc(301, 1);

		memset(pad, 'x', 300);

		AUTO_FREE char *text = xasprintf("[vm 100] ; %s\nhostpci0 = a ; %s\n[vm 200] ; %s\nhostpci0 = b\n",
						 pad, pad, pad);
		AUTO_SETTINGS struct settings s = parse(text);

		CHECK_HAS(fault_of(&s, 100), F ":2: the line has 315 characters");
		CHECK_STR(choices(&s, 200, 0), "b");
	}
}

static void test_line_faults(void)
{
	TEST("settings: a key in two lines is a fault, and the first of a section is told") {
		check_vm_fault("[vm 100]\nhostpci0 = a\nhostpci0 = b\nbad\n[vm 200]\n",
			       F ":3: 'hostpci0' is there already, in line 2; remove one of the two");
		check_vm_fault("[vm 200]\ngpu = 01:00.0\n[vm 100]\ngpu = 01:00.0\ngpu = 01:00.0\n",
			       F ":5: 'gpu' is there already, in line 4; remove one of the two");
	}
	TEST("settings: an indented line is a fault, not more of the value before") {
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = a\n  hostpci1 = b\n",
			       F ":4: the line is indented; begin it without blanks");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = a\n\tb ; c\n",
			       F ":4: the line is indented; begin it without blanks");
	}
	TEST("settings: control characters are a fault, in comments too") {
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = a\033[2J\n", F ":3: \\x1b in the line; remove it");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = a\rhostpci1 = b\n", F ":3: \\x0d in the line; remove it");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = a\r\r\n", F ":3: \\x0d in the line; remove it");
		check_vm_fault("[vm 200]\n[vm 100]\n# old\rhostpci0 = a\n", F ":3: \\x0d in the line; remove it");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = a\v\n", F ":3: \\x0b in the line; remove it");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = a\177\n", F ":3: \\x7f in the line; remove it");
	}
	TEST("settings: a byte order mark within the file is a fault") {
		check_vm_fault("[vm 200]\n[vm 100]\n" BOM "hostpci0 = a\n",
			       F ":3: a byte order mark in the line; remove it");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = " BOM "a\n",
			       F ":3: a byte order mark in the line; remove it");
		check_defaults_fault(BOM BOM "\n", F ":1: a byte order mark in the line; remove it");
	}
	TEST("settings: a line must have a name, '=' and a value") {
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0\n", F ":3: 'hostpci0' has no '='; write 'name = value'");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 ; = a\n",
			       F ":3: 'hostpci0 ; = a' has no '='; write 'name = value'");
		check_vm_fault("[vm 200]\n[vm 100]\n= a\n", F ":3: '= a' has no name; write 'name = value'");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 =\n",
			       F ":3: 'hostpci0 =': no value; write 'name = value' or 'name = value ; comment'");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = ; a\n",
			       F ":3: 'hostpci0 = ; a': no value; write 'name = value' or 'name = value ; comment'");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 =; a\n",
			       F ":3: 'hostpci0 =; a': no value; write 'name = value' or 'name = value ; comment'");
	}
	TEST("settings: ':' does not stand for '='") {
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0: A40-24A\n", F ":3: ':' behind 'hostpci0'; write 'name = value'");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 : a = b\n", F ":3: ':' behind 'hostpci0 '; write 'name = value'");
	}
	TEST("settings: '#' behind a value is no comment, and said to be none") {
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = a # b\n",
			       F ":3: 'hostpci0 = a # b': '#' behind a value begins no comment; "
			       "write 'name = value' or 'name = value ; comment'");
	}
}

static void test_faults_of_all(void)
{
	TEST("settings: a line before any section stops every VM") {
		check_defaults_fault("# x\nhostpci0 = a\n[vm 100]\nhostpci0 = a\n",
				     F ":2: 'hostpci0 = a' stands before any section; "
				     "put '[defaults]' or '[vm <vmid>]' above it");
	}
	TEST("settings: a NUL byte stops every VM, wherever it stands") {
		static const char in_vm[] = "[vm 100]\nhostpci0 = a\0b\n[vm 200]\nhostpci0 = a\n";
		static const char in_comment[] = "[vm 100]\n# \0\n";
		static const char in_header[] = "[vm 100]\n[vm\0 200]\n";
		static const char in_lost[] = "[lost]\nx\0\n";

		check_fault_for_all(in_vm, sizeof(in_vm) - 1, F ":2: NUL byte in the line; write the file anew");
		check_fault_for_all(in_comment, sizeof(in_comment) - 1, F ":2: NUL byte in the line; write the file anew");
		check_fault_for_all(in_header, sizeof(in_header) - 1, F ":2: NUL byte in the line; write the file anew");
		check_fault_for_all(in_lost, sizeof(in_lost) - 1, F ":2: NUL byte in the line; write the file anew");
	}
}

static void test_sections_twice(void)
{
	TEST("settings: a VM's section that comes twice stops that VM") {
		check_vm_fault("[vm 100]\nhostpci0 = a\n[vm 200]\n[vm 100]\nhostpci1 = b\nbad\n",
			       F ":4: section [vm 100] is there already, in line 1; put the lines of both into one");
	}
	TEST("settings: what stands in the second of two sections is no intent") {
		AUTO_SETTINGS struct settings s = parse("[vm 100]\nhostpci0 = a\n[vm 100]\nhostpci1 = b\n");

		CHECK(settings_has_intent(&s, 100, 0));
		CHECK(!settings_has_intent(&s, 100, 1));
	}
	TEST("settings: [defaults] twice stops every VM") {
		check_defaults_fault("[defaults]\n[vm 100]\n[defaults]\nlock-wait = 5\n",
				     F ":3: section [defaults] is there already, in line 1; put the lines of both into one");
	}
}

static void test_lost_sections(void)
{
	TEST("settings: a section of another name is lost") {
		check_lost("[node]", F ":3: '[node]' is no section; write '[defaults]' or '[vm <vmid>]'" LOST);
		check_lost("[]", F ":3: '[]' is no section; write '[defaults]' or '[vm <vmid>]'" LOST);
		check_lost("[VM 200]", F ":3: '[VM 200]' is no section; write '[defaults]' or '[vm <vmid>]'" LOST);
		check_lost("[vm200]", F ":3: '[vm200]' is no section; write '[defaults]' or '[vm <vmid>]'" LOST);
		check_lost("[ vm 200]", F ":3: '[ vm 200]' is no section; write '[defaults]' or '[vm <vmid>]'" LOST);
	}
	TEST("settings: a header that is not whole is lost, not a line of the section before") {
		static const char *const bad[] = {
			"[vm 200", "vm 200]", "vm 200", "Defaults", " [vm 200]", "[[vm 200]]", "[vm 200]x",
			"[vm 200];x", "[vm 200] # x", "[vm 200] x",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_FREE char *want = xasprintf(F ":3: '%s' is no section; write '[defaults]' or '[vm <vmid>]'"
							 LOST, bad[i]);

			check_lost(bad[i], want);
		}
	}
	TEST("settings: a header with a control character or a byte order mark is lost") {
		check_lost("[vm 200\001]", F ":3: \\x01 in a section header; remove it" LOST);
		check_lost("\001[vm 200]", F ":3: \\x01 in a section header; remove it" LOST);
		check_lost("[vm 200]\rhostpci0 = a", F ":3: \\x0d in a section header; remove it" LOST);
		check_lost(BOM "[vm 200]", F ":3: a byte order mark in a section header; remove it" LOST);
	}
	TEST("settings: a header with a bad vmid is lost") {
		static const char *const bad[] = {
			"0", "abc", "1000000000000", "99", "0200", "-200", "200 201", "2OO", "",
			"18446744073709551816", "200 ", "200 ; x",
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_FREE char *header = xasprintf("[vm%s%s]", *bad[i] ? " " : "", bad[i]);
			AUTO_FREE char *want = xasprintf(F ":3: '%s' names no VM; a vmid is a number from 100 to 999999999"
							 LOST, header);

			check_lost(header, want);
		}
	}
}

static void test_warnings(void)
{
	TEST("settings: the next good header ends what is lost, and every lost one is told") {
		AUTO_SETTINGS struct settings s = parse("[a]\nx\n[vm 100]\nhostpci0 = a\n[b]\ny\n");
		AUTO_STRLIST struct strlist warnings = { 0 };

		CHECK_STR(choices(&s, 100, 0), "a");
		settings_warnings_for(&s, 100, &warnings);
		CHECK_NUM(warnings.n, 2);
		CHECK_HAS(warnings.s[0], F ":1: '[a]'");
		CHECK_HAS(warnings.s[1], F ":5: '[b]'");
		CHECK_HAS(fault_of(&s, 200), F ":1: '[a]'");
	}
	TEST("settings_warnings_for: vmid 0 takes the faults of all") {
		AUTO_SETTINGS struct settings s = parse("x\n[a]\n[vm 100]\nbad\n[vm 200]\nbad\n");
		AUTO_STRLIST struct strlist warnings = { 0 };

		settings_warnings_for(&s, 0, &warnings);
		CHECK_NUM(warnings.n, 4);
	}
}

static void test_hostpci_numbers(void)
{
	TEST("settings: hostpci goes from 0 to 15, without leading zeros") {
		static const char *const bad[] = { "hostpci16", "hostpci01", "hostpci00", "hostpci99999999999999999999" };

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_FREE char *text = xasprintf("[vm 200]\n[vm 100]\n%s = a\n", bad[i]);
			AUTO_FREE char *want = xasprintf(F ":3: '%s': there are only hostpci0 to hostpci15; "
							 "name the line of the VM's configuration that is meant", bad[i]);

			check_vm_fault(text, want);
		}
	}
}

static void test_lists(void)
{
	TEST("settings: the items of a list are not empty") {
		static const char *const bad[] = { ",", "a,", ",a", "a,,b", "a, ,b" };

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_FREE char *text = xasprintf("[vm 200]\n[vm 100]\nhostpci0 = %s\n", bad[i]);
			AUTO_FREE char *want = xasprintf(F ":3: 'hostpci0': empty item in '%s'; "
							 "write type names with one comma between them", bad[i]);

			check_vm_fault(text, want);
		}
		check_vm_fault("[vm 200]\n[vm 100]\ngpu = 01:00.0,\n",
			       F ":3: 'gpu': empty item in '01:00.0,'; write PCI addresses or boards with one comma between them");
	}
	TEST("settings: what would begin a comment behind a blank is no type's name behind a comma either") {
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = 575,#x\n",
			       F ":3: 'hostpci0': '#x' is no type; write type names with one comma between them");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci0 = 575,;x\n",
			       F ":3: 'hostpci0': ';x' is no type; write type names with one comma between them");
	}
	TEST("settings: 64 choices are taken, 65 are not") {
		char list[2 * 65] = "a";

		for (int i = 1; i < 64; i++)
			strcat(list, ",a");

		AUTO_FREE char *good = xasprintf("[vm 100]\nhostpci0 = %s\n", list);
		AUTO_FREE char *bad = xasprintf("[vm 200]\n[vm 100]\nhostpci0 = %s,a\n", list);
		AUTO_SETTINGS struct settings s = parse(good);

		CHECK_STR(fault_of(&s, 100), NULL);
		CHECK_NUM(s.vms[0].intents[0].choices.n, 64);
		check_vm_fault(bad, F ":3: 'hostpci0': 65 types; write at most 64");
	}
}

static void test_values(void)
{
	TEST("settings: gpu takes PCI addresses and boards") {
		check_vm_fault("[vm 200]\n[vm 100]\ngpu = 01:00.0, ../x\n",
			       F ":3: 'gpu': '../x' is no PCI address and no board; write it as '0000:3b:00.0' or 'A40'");
		check_defaults_fault("[defaults]\ngpu = 3b:00\n",
				     F ":2: 'gpu': '3b:00' is no PCI address and no board; write it as '0000:3b:00.0' or 'A40'");
		check_defaults_fault("[defaults]\ngpu = 42\n",
				     F ":2: 'gpu': '42' is no PCI address and no board; write it as '0000:3b:00.0' or 'A40'");
	}
	TEST("settings: placement is one of three words") {
		check_vm_fault("[vm 200]\n[vm 100]\nplacement = Spread\n",
			       F ":3: 'placement': 'Spread' is none; write 'spread', 'pack' or 'first'");
		check_defaults_fault("[defaults]\nplacement = x\n",
				     F ":2: 'placement': 'x' is none; write 'spread', 'pack' or 'first'");
	}
	TEST("settings: waits are seconds within their range") {
		static const char *const bad[][2] = {
			{ "cleanup-wait", "61" }, { "cleanup-wait", "-1" }, { "cleanup-wait", "3s" },
			{ "start-grace", "3601" }, { "lock-wait", "0" }, { "lock-wait", "601" },
		};
		static const char *const range[] = { "0 to 60", "0 to 60", "0 to 60", "0 to 3600", "1 to 600", "1 to 600" };

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_FREE char *text = xasprintf("[defaults]\n%s = %s\n", bad[i][0], bad[i][1]);
			AUTO_FREE char *want = xasprintf(F ":2: '%s': '%s' is out of place; write seconds from %s",
							 bad[i][0], bad[i][1], range[i]);

			check_defaults_fault(text, want);
		}
	}
}

static void test_unknown_keys(void)
{
	TEST("settings: a key that is nearly known gets that one for an answer") {
		check_vm_fault("[vm 200]\n[vm 100]\nhostpic1 = a\n",
			       F ":3: 'hostpic1' is no key known to this version of pve-vgpu; did you mean 'hostpci1'?");
		check_vm_fault("[vm 200]\n[vm 100]\nplacment = pack\n",
			       F ":3: 'placment' is no key known to this version of pve-vgpu; did you mean 'placement'?");
		check_vm_fault("[vm 200]\n[vm 100]\nhostpci = a\n",
			       F ":3: 'hostpci' is no key known to this version of pve-vgpu; did you mean 'hostpci0'?");
		check_defaults_fault("[defaults]\nlockwait = 5\n",
				     F ":2: 'lockwait' is no key known to this version of pve-vgpu; did you mean 'lock-wait'?");
	}
	TEST("settings: keys of other versions are refused") {
		static const char *const later[] = { "sharing", "weight", "licence" };

		for (size_t i = 0; i < ARRAY_SIZE(later); i++) {
			AUTO_FREE char *text = xasprintf("[vm 200]\n[vm 100]\n%s = a\n", later[i]);
			AUTO_FREE char *want = xasprintf(F ":3: '%s' is no key known to this version of pve-vgpu; ", later[i]);
			AUTO_SETTINGS struct settings s = parse(text);

			CHECK_HAS(fault_of(&s, 100), want);
		}
		check_vm_fault("[vm 200]\n[vm 100]\nsharing = a\n",
			       F ":3: 'sharing' is no key known to this version of pve-vgpu; remove the line");
		check_defaults_fault("[defaults]\nsharing = no\n",
				     F ":2: 'sharing' is no key known to this version of pve-vgpu; remove the line");
	}
}

static void test_key_in_the_wrong_section(void)
{
	TEST("settings: a key in the wrong section is sent to the right one") {
		check_vm_fault("[vm 200]\n[vm 100]\nlock-wait = 5\n",
			       F ":3: 'lock-wait' is a key of [defaults]; move the line there");
		check_defaults_fault("[defaults]\nhostpci0 = a\n",
				     F ":2: 'hostpci0' is a key of a VM; move the line to its section [vm <vmid>]");
	}
}

static void test_params(void)
{
	TEST("settings: params go to the driver without the blanks, and belong to a VM") {
		AUTO_SETTINGS struct settings s = parse("[vm 100]\nhostpci0 = a\nparams = a=1, b-c=/x ; why\n"
							"[vm 101]\nhostpci0 = a\n");

		CHECK_STR(s.vms[0].params, "a=1,b-c=/x");
		CHECK_STR(s.vms[1].params, NULL);
		CHECK_STR(fault_of(&s, 100), NULL);
		check_defaults_fault("[defaults]\nparams = a=1\n",
				     F ":2: 'params' is a key of a VM; move the line to its section [vm <vmid>]");
	}
	TEST("settings: params of another form are a fault of the VM") {
		check_vm_fault("[vm 200]\n[vm 100]\nparams = frame_rate_limiter\n",
			       F ":3: 'params': 'frame_rate_limiter' is not of the form name=value,name=value");
		check_vm_fault("[vm 200]\n[vm 100]\nparams = a=1,\n",
			       F ":3: 'params': 'a=1,' is not of the form name=value,name=value");
		check_vm_fault("[vm 200]\n[vm 100]\nparams = a=1\nparams = a=1\n",
			       F ":4: 'params' is there already, in line 3; remove one of the two");
	}
}

static void test_faulty_line_has_no_intent(void)
{
	TEST("settings: a faulty line leaves no intent behind, those around it stay") {
		AUTO_SETTINGS struct settings s = parse("[vm 100]\nhostpci0 = a\nhostpci1 = ,\nhostpci2 = c\n");

		CHECK(settings_has_intent(&s, 100, 0));
		CHECK(!settings_has_intent(&s, 100, 1));
		CHECK(settings_has_intent(&s, 100, 2));
	}
}

static void test_hostile_text(void)
{
	TEST("settings: hostile text shows escaped") {
		check_vm_fault("[vm 200]\n[vm 100]\n\xff'x = a\n",
			       F ":3: '\\xff\\'x' is no key known to this version of pve-vgpu; remove the line");
	}
}

static void test_many_vms(void)
{
	TEST("settings: many VMs are many sections") {
		char *text = NULL;
		size_t len;
		FILE *f = xmemstream(&text, &len);

		for (int i = 0; i < 3000; i++)
			fprintf(f, "[vm %d]\nhostpci0 = A40-24A\n", 100 + i);
		fclose(f);

		AUTO_SETTINGS struct settings s = { 0 };

		settings_parse(text, len, F, &s);
		free(text);
		CHECK_NUM(s.n_vms, 3000);
		CHECK_STR(choices(&s, 3099, 0), "A40-24A");
	}
}

static void test_device_keys(void)
{
	TEST("keys of how the vGPUs reach QEMU") {
		AUTO_SETTINGS struct settings s = parse(
			"[defaults]\ninject-uuid = no\n[vm 100]\nhostpci3 = a\nhostpci1 = b\nmode = wrapper\n"
			"x-vga = yes\npcie = yes\ndisplay = auto\nramfb = yes\nidentity = ctime:1690000000\n"
			"next-hook = local:snippets/my own.sh\nwas-hostpci1 = 0000:01:00.0,pcie=1\n"
			"[vm 200]\nhostpci0 = a\n[vm 300]\nhostpci0 = a\nx-vga = hostpci2\n"
			"identity = uuid:8f5c2a3e-0000-4000-8000-00000000abcd\n");
		const struct vm_settings *vm = NULL;

		CHECK_STR(fault_of(&s, 100), NULL);
		CHECK(!s.inject_uuid);
		CHECK_NUM(settings_vm(&s, 100, &vm, NULL), 0);
		CHECK_STR(vm_mode_name(vm->mode), "wrapper");
		CHECK(vm_settings_x_vga(vm, 1));
		CHECK(!vm_settings_x_vga(vm, 3));
		CHECK(vm->pcie);
		CHECK_STR(display_name(vm->display), "auto");
		CHECK(vm->ramfb);
		CHECK_STR(vm->identity, "ctime:1690000000");
		CHECK_STR(vm->next_hook, "local:snippets/my own.sh");
		CHECK_STR(vm->was[1], "0000:01:00.0,pcie=1");
		CHECK_STR(vm->was[0], NULL);
		CHECK_NUM(settings_vm(&s, 200, &vm, NULL), 0);
		CHECK_STR(vm_mode_name(vm->mode), NULL);
		CHECK_STR(display_name(vm->display), NULL);
		CHECK(!vm_settings_x_vga(vm, 0));
		CHECK(!vm->pcie);
		CHECK_NUM(settings_vm(&s, 300, &vm, NULL), 0);
		CHECK(vm_settings_x_vga(vm, 2));
		CHECK_STR(vm->identity, "uuid:8f5c2a3e-0000-4000-8000-00000000abcd");
	}
	TEST("an identity of both") {
		AUTO_SETTINGS struct settings s = parse(
			"[vm 100]\nidentity = ctime:1, uuid:8f5c2a3e-0000-4000-8000-00000000abcd\n"
			"[vm 200]\nidentity = ctime:1 ,\tuuid:8F5C2A3E-0000-4000-8000-00000000ABCD\n");

		CHECK_STR(fault_of(&s, 100), NULL);
		CHECK_STR(fault_of(&s, 200), NULL);
		CHECK_STR(settings_section(&s, 100)->identity, "ctime:1, uuid:8f5c2a3e-0000-4000-8000-00000000abcd");
	}
	TEST("a -uuid is injected where nothing is said") {
		AUTO_SETTINGS struct settings s = parse("");

		CHECK(s.inject_uuid);
	}
}

static void test_device_faults(void)
{
	TEST("values of these keys that are none") {
		static const struct {
			const char *line, *why;
		} bad[] = {
			{ "mode = a", "'mode': 'a' is none; write 'native', 'args' or 'wrapper'" },
			{ "x-vga = 1", "'x-vga': '1' is out of place; write 'yes', 'no' or the device, 'hostpci0'" },
			{ "x-vga = hostpci16", "'x-vga': 'hostpci16' is out of place; write 'yes', 'no' or the device, 'hostpci0'" },
			{ "pcie = 1", "'pcie': '1' is neither 'yes' nor 'no'" },
			{ "display = yes", "'display': 'yes' is none; write 'on', 'off' or 'auto'" },
			{ "ramfb = on", "'ramfb': 'on' is neither 'yes' nor 'no'" },
			{ "identity = ctime:", "'identity': 'ctime:' is none; remove the line, or let `pve-vgpu set` write it" },
			{ "identity = ctime:1,", "'identity': 'ctime:1,' is none; remove the line, or let `pve-vgpu set` write it" },
			{ "identity = ctime:1, ctime:2", "'identity': 'ctime:1, ctime:2' is none; remove the line, or let `pve-vgpu set` write it" },
			{ "identity = ctime:1 uuid:1", "'identity': 'ctime:1 uuid:1' is none; remove the line, or let `pve-vgpu set` write it" },
			{ "identity = uuid:1", "'identity': 'uuid:1' is none; remove the line, or let `pve-vgpu set` write it" },
			{ "next-hook = /bin/true", "'next-hook': '/bin/true' is no volume; write it as 'local:snippets/own.sh'" },
			{ "was-hostpci16 = a", "'was-hostpci16': there are only hostpci0 to hostpci15; "
			  "name the line of the VM's configuration that is meant" },
		};

		for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
			AUTO_FREE char *text = xasprintf("[vm 200]\n[vm 100]\n%s\n", bad[i].line);
			AUTO_FREE char *want = xasprintf(F ":3: %s", bad[i].why);

			check_vm_fault(text, want);
		}
		check_fault_for_all("[defaults]\ninject-uuid = 0\n", strlen("[defaults]\ninject-uuid = 0\n"),
				    F ":2: 'inject-uuid': '0' is neither 'yes' nor 'no'");
	}
}

static void test_file(const char *dir)
{
	struct root r = ROOT_CLOSED;

	TEST("a root with nothing in it") {
		CHECK_NUM(root_open(&r, dir, NULL), 0);
	}
	TEST("settings_read: without /etc/pve it says that pmxcfs is not mounted") {
		struct settings s;
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(settings_read(&r, &s, &e), -ENOENT);
		CHECK_STR(e.msg, "read '/etc/pve/pve-vgpu.conf': /etc/pve is not mounted");
		CHECK_STR(e.hint, "systemctl status pve-cluster");
	}
	TEST("settings_read: an empty /etc/pve is the bare mount point") {
		struct settings s;
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_mkdir(&r, "etc/pve", &e), 0);
		CHECK_NUM(settings_read(&r, &s, &e), -ENOENT);
		CHECK_STR(e.msg, "read '/etc/pve/pve-vgpu.conf': /etc/pve is not mounted");
	}
	TEST("settings_read: no file is an empty one") {
		AUTO_SETTINGS struct settings s = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_mkdir(&r, "etc/pve/nodes", &e), 0);
		CHECK_NUM(settings_read(&r, &s, &e), 0);
		CHECK_STR(e.msg, NULL);
		CHECK_NUM(s.lock_wait_s, 60);
	}
	TEST("settings_read: reads the file and names it in faults") {
		AUTO_SETTINGS struct settings s = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_replace(&r, SETTINGS_PATH, "[vm 100]\nbad\n", 0640, &e), 0);
		CHECK_NUM(settings_read(&r, &s, &e), 0);
		CHECK_STR(fault_of(&s, 100), "/etc/pve/pve-vgpu.conf:2: 'bad' has no '='; write 'name = value'");
	}
	TEST("settings_read: what cannot be read is a failure") {
		struct settings s;
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(root_unlink(&r, SETTINGS_PATH, &e), 0);
		CHECK_NUM(root_mkdir(&r, SETTINGS_PATH, &e), 0);
		CHECK_NUM(settings_read(&r, &s, &e), -EISDIR);
		CHECK_STR(e.msg, "read '/etc/pve/pve-vgpu.conf': Is a directory");
	}
	root_close(&r);
}

int main(void)
{
	AUTO_FREE char *dir = NULL;

	test_whole_file();
	test_gpu_and_placement();
	test_has_intent();
	test_placement_name();
	test_form();
	test_line_length();
	test_line_faults();
	test_faults_of_all();
	test_sections_twice();
	test_lost_sections();
	test_warnings();
	test_hostpci_numbers();
	test_lists();
	test_values();
	test_unknown_keys();
	test_key_in_the_wrong_section();
	test_params();
	test_faulty_line_has_no_intent();
	test_hostile_text();
	test_many_vms();
	test_device_keys();
	test_device_faults();
	TEST("a directory for files") {
		dir = scratch_make();
		CHECK_NUM(access(dir, W_OK | X_OK), 0);
	}
	test_file(dir);
	TEST("the directory goes again") {
		CHECK_NUM(scratch_remove(dir), 0);
	}
	fault_of(&(struct settings){ 0 }, 0);
	return tap_done();
}
