/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "vmconf_pending.h"

#include "cleanup.h"
#include "tap.h"

static struct pending parse(const char *text)
{
	struct pending p;

	pending_parse(text, strlen(text), &p);
	return p;
}

int main(void)
{
	TEST("pending: the section [PENDING] alone, whatever is before and behind it") {
		AUTO_PENDING struct pending p = parse(
			"hostpci0: 0000:01:00.0\nargs: -foo\n\n[PENDING]\n#note\nargs:  -bar baz \r\n"
			"delete: hostpci0,!hookscript\nvga: none\nnonsense\nhostpci1:\n\n[snap]\nmemory: 512\n");
		const struct pending_change *c = pending_of(&p, "args");

		CHECK_NUM(p.n, 4);
		CHECK(c);
		CHECK_STR(c ? c->value : NULL, "-bar baz");
		c = pending_of(&p, "hostpci0");
		CHECK(c && !c->value);
		CHECK(pending_of(&p, "hookscript"));
		CHECK(pending_of(&p, "vga"));
		CHECK(!pending_of(&p, "memory"));
		CHECK(!pending_of(&p, "hostpci1"));
	}
	TEST("pending: a header in any case, with blanks behind it, and no end of the last line") {
		AUTO_PENDING struct pending p = parse("[pending] \t\nmachine: q35");

		CHECK_NUM(p.n, 1);
		CHECK_STR(p.n ? p.changes[0].key : NULL, "machine");
	}
	TEST("pending: nothing waits where there is no such section") {
		AUTO_PENDING struct pending p = parse("args: x\n[pending2]\nargs: y\n[special:cloudinit]\nname: z\n");
		AUTO_PENDING struct pending q = parse("");

		CHECK_NUM(p.n, 0);
		CHECK_NUM(q.n, 0);
	}
	TEST("pending_apply: the configuration of the next start") {
		static const char text[] = "#note\nargs: a\nhostpci0: b\n\nvga: std\n[PENDING]\nargs: -bar\ndelete: hostpci0\n"
			"hostpci1: c\n[snap]\nargs: z\n";
		AUTO_PENDING struct pending p = parse(text);
		AUTO_PENDING struct pending none = { 0 };
		AUTO_FREE char *got = pending_apply(&p, text, strlen(text));
		AUTO_FREE char *same = pending_apply(&none, "args: a", 7);

		CHECK_STR(got, "#note\n\nvga: std\nargs: -bar\nhostpci1: c\n");
		CHECK_STR(same, "args: a\n");
	}
	return tap_done();
}
