/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "cleanup.h"
#include "section_config.h"
#include "tap.h"
#include "xalloc.h"

static struct section_config read_as(const char *text, enum section_header header)
{
	struct section_config c = { 0 };

	CHECK_NUM(section_config_parse(text, strlen(text), header, "f.cfg", &c, NULL), 0);
	return c;
}

/* "type:id(key=value,…)" of each section, for comparing. */
static char *shown(const struct section_config *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	for (size_t i = 0; i < c->n; i++) {
		const struct section *s = &c->sections[i];

		fprintf(f, "%s%s:%s@%u(", i ? " " : "", s->type, s->id, s->line);
		for (size_t j = 0; j < s->n; j++)
			fprintf(f, "%s%s=%s", j ? "," : "", s->lines[j].key, s->lines[j].value);
		fputc(')', f);
	}
	fclose(f);
	return text;
}

static void check(const char *text, enum section_header header, const char *want)
{
	AUTO_SECTION_CONFIG struct section_config c = read_as(text, header);
	AUTO_FREE char *got = shown(&c);

	CHECK_STR(got, want);
}

int main(void)
{
	TEST("sections with a type, in the order of the file") {
		check("dir: local\n\tpath /var/lib/vz\n\tcontent iso,snippets\n\nNFS: nas\n\tserver a b \n",
		      SECTION_TYPED, "dir:local@1(path=/var/lib/vz,content=iso,snippets) nfs:nas@5(server=a b)");
	}
	TEST("the blank behind the colon may be missing, and the last colon that fits is it") {
		check("dir:local\n\na:b:c\n\na:b:\n\nx: y z\n\n:a\n\nb:\n\n: c\n", SECTION_TYPED,
		      "dir:local@1() a:b:c@3() a:b:@5()");
	}
	TEST("sections without a type") {
		check("a40\n\tmap id=1,node=n\n\tmap id=2,node=n\n\tmdev 1\n\nx y\n\nl4 \n", SECTION_BARE,
		      ":a40@1(map=id=1,node=n,map=id=2,node=n,mdev=1) :l4@8()");
	}
	TEST("an empty line ends a section, one of blanks does not, a comment does not") {
		check("dir: a\n\tx 1\n  \n # c\n#d\n\ty 2\n\n\tz 3\n", SECTION_TYPED, "dir:a@1(x=1,y=2)");
	}
	TEST("a header without an empty line before it is passed over, as PVE does") {
		check("dir: a\n\tx 1\ndir: b\n\ty 2\n", SECTION_TYPED, "dir:a@1(x=1,y=2)");
	}
	TEST("CR at the ends, keys without a value, no newline at the end") {
		check("dir: a\r\n\tx 1\r\n\tflag\r\n\ty 2", SECTION_TYPED, "dir:a@1(x=1,flag=,y=2)");
	}
	TEST("of several sections of one id the last holds, of several keys the first") {
		AUTO_SECTION_CONFIG struct section_config c =
			read_as("dir: a\n\tx 1\n\ndir: a\n\tx 2\n\tx 3\n", SECTION_TYPED);

		CHECK_NUM(c.n, 2);
		CHECK(section_find(&c, "a") == &c.sections[1]);
		CHECK(section_is_replaced(&c, &c.sections[0]));
		CHECK(!section_is_replaced(&c, &c.sections[1]));
		CHECK_STR(section_value(&c.sections[1], "x"), "2");
		CHECK_STR(section_value(&c.sections[1], "y"), NULL);
		CHECK(!section_find(&c, "b"));
	}
	TEST("booleans") {
		AUTO_SECTION_CONFIG struct section_config c =
			read_as("dir: a\n\ta 1\n\tb Yes\n\tc on\n\td 0\n\te\n\tf 2\n", SECTION_TYPED);

		CHECK(section_bool(&c.sections[0], "a") && section_bool(&c.sections[0], "b"));
		CHECK(section_bool(&c.sections[0], "c") && !section_bool(&c.sections[0], "d"));
		CHECK(!section_bool(&c.sections[0], "e") && !section_bool(&c.sections[0], "f"));
		CHECK(!section_bool(&c.sections[0], "g"));
	}
	TEST("a NUL byte is refused") {
		AUTO_SECTION_CONFIG struct section_config c = { 0 };
		AUTO_ERR struct err e = { 0 };

		CHECK_NUM(section_config_parse("a\0b", 3, SECTION_BARE, "f.cfg", &c, &e), -EINVAL);
		CHECK_STR(e.msg, "f.cfg: NUL byte in the file");
	}
	return tap_done();
}
