/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <json-c/json.h>

#include "cleanup.h"
#include "json_util.h"
#include "tap.h"

static bool parses(const char *text)
{
	AUTO_JSON struct json_object *o = json_parse(text, strlen(text));

	return o;
}

static void test_parse(void)
{
	TEST("json_parse: one value and nothing else") {
		CHECK(parses("{}"));
		CHECK(parses("[1, 2]\n"));
		CHECK(parses("5"));
		CHECK(!parses(""));
		CHECK(!parses("{"));
		CHECK(!parses("{}x"));
		CHECK(!parses("{} {}"));
		CHECK(!parses("{\"a\":1,}"));
		CHECK(!parses("nul"));
	}
	TEST("json_parse: what stands behind a NUL is not passed over") {
		AUTO_JSON struct json_object *o = json_parse("{}\0x", 4);

		CHECK(!o);
	}
	TEST("json_parse: nesting without end is refused") {
		char deep[4097];

		memset(deep, '[', sizeof(deep) - 1);
		deep[sizeof(deep) - 1] = '\0';
		CHECK(!parses(deep));
	}
}

static void test_fields(void)
{
	TEST("json: a field of the wrong kind is a field that is not there") {
		static const char text[] =
			"{\"s\":\"x\",\"n\":7,\"neg\":-1,\"f\":true,\"a\":[],\"o\":{},\"z\":null}";
		AUTO_JSON struct json_object *o = json_parse(text, strlen(text));

		CHECK(o);
		CHECK_STR(json_str(o, "s"), "x");
		CHECK_STR(json_str(o, "n"), NULL);
		CHECK_STR(json_str(o, "z"), NULL);
		CHECK_STR(json_str(NULL, "s"), NULL);
		CHECK_NUM(json_num(o, "n", 3, 10), 7);
		CHECK_NUM(json_num(o, "n", 3, 6), 3);
		CHECK_NUM(json_num(o, "neg", 3, 10), 3);
		CHECK_NUM(json_num(o, "s", 3, 10), 3);
		CHECK(json_flag(o, "f"));
		CHECK(!json_flag(o, "n"));
		CHECK(json_arr(o, "a") && !json_arr(o, "o") && !json_arr(json_arr(o, "a"), "a"));
		CHECK(json_obj(o, "o") && !json_obj(o, "a"));
	}
	TEST("json: a number too large for 64 bits is not there; from json-c 0.18 on its whole document is refused") {
		static const char text[] = "{\"big\":99999999999999999999}";
		AUTO_JSON struct json_object *o = json_parse(text, strlen(text));

		CHECK_NUM(json_num(o, "big", 3, 10), 3);
	}
}

static void test_print(void)
{
	TEST("json_print: null for what is not known, strings escaped, a newline at the end") {
		AUTO_JSON struct json_object *o = json_object_new_object();

		json_add_str(o, "none", NULL);
		json_add_str(o, "text", "a\"b\\c\n\033/");
		json_add_known(o, "zero", 0);
		json_add_num(o, "number", 5000000000u);
		json_add_flag(o, "flag", false);

		AUTO_FREE char *text = json_print(o);

		CHECK_HAS(text, "\"none\": null");
		CHECK_HAS(text, "\"text\": \"a\\\"b\\\\c\\n\\u001b/\"");
		CHECK_HAS(text, "\"zero\": null");
		CHECK_HAS(text, "5000000000");
		CHECK_HAS(text, "}\n");
		CHECK(parses(text));
	}
}

int main(void)
{
	test_parse();
	test_fields();
	test_print();
	return tap_done();
}
