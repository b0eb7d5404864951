/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <errno.h>

#include "cleanup.h"
#include "guest_data.h"
#include "tap.h"

static int feature(const char *a, const char *b)
{
	AUTO_STRLIST struct strlist l = { 0 };

	if (a)
		strlist_add(&l, a);
	if (b)
		strlist_add(&l, b);
	return guest_feature(&l);
}

static void check_token(const char *text, size_t len, const char *want)
{
	AUTO_FREE char *got = NULL;

	CHECK_NUM(guest_token(text, len, "f.tok", &got, NULL), want ? 0 : -EINVAL);
	CHECK_STR(got, want);
}

static void check_render(const char *template, const char *token, const char *want)
{
	AUTO_STRLIST struct strlist types = { 0 };
	struct guest_facts f = { .vmid = 100, .types = &types, .token = token };

	strlist_add(&types, "A40-24Q");
	strlist_add(&types, "A40-12Q");

	AUTO_FREE char *got = guest_render(template, &f);

	CHECK_STR(got, want);
}

int main(void)
{
	TEST("the series of a type") {
		CHECK_NUM(guest_series("A40-24A"), 'A');
		CHECK_NUM(guest_series("M60-0Q"), 'Q');
		CHECK_NUM(guest_series("P40-2B4"), 'B');
		CHECK_NUM(guest_series("A100-1-5CME"), 'C');
		CHECK_NUM(guest_series("RTX6000-Ada-48Q"), 'Q');
		CHECK_NUM(guest_series("dc-48c"), 'C');
		CHECK_NUM(guest_series("DC-12"), 0);
		CHECK_NUM(guest_series("3050"), 0);
		CHECK_NUM(guest_series("GVTg_V5_4"), 0);
		CHECK_NUM(guest_series("A40-Q"), 0);
		CHECK_NUM(guest_series(""), 0);
	}
	TEST("one feature for the guest") {
		CHECK_NUM(feature("A40-24Q", NULL), 2);
		CHECK_NUM(feature("A40-24C", NULL), 4);
		CHECK_NUM(feature("A40-24A", NULL), 1);
		CHECK_NUM(feature("A40-2B", NULL), 1);
		CHECK_NUM(feature("A40-24Q", "A40-12Q"), 2);
		CHECK_NUM(feature("A40-24Q", "A40-24C"), 1);
		CHECK_NUM(feature("DC-12", NULL), 1);
		CHECK_NUM(feature(NULL, NULL), 1);
	}
	TEST("what is between two signs is replaced, lines of the template's own are left out") {
		check_render("## own\n#cloud-config\nvm @VMID@: @TYPES@; a@b\n@ X@NO@ @FEATURE_TYPE@", NULL,
			     "#cloud-config\nvm 100: A40-24Q, A40-12Q; a@b\n@ X@NO@ 2\n");
	}
	TEST("the token's place") {
		check_render("@TOKEN@\n", "ab.c", "  - path: /etc/nvidia/ClientConfigToken/client_configuration_token.tok\n"
			     "    permissions: '0744'\n    content: |\n      ab.c\n");
	}
	TEST("without a token its place is a comment") {
		AUTO_STRLIST struct strlist none = { 0 };
		struct guest_facts f = { .vmid = 100, .types = &none };
		AUTO_FREE char *text = guest_render("a\n# Written by `pve-vgpu guest @VMID@`\n@TOKEN@\n", &f);

		CHECK(guest_is_ours(text) && !guest_has_token(text));
		for (const char *s = strchr(text, '\n') + 1; s && *s; s = strchr(s, '\n') + 1)
			CHECK_NUM(*s, '#');
		f.token = "x";

		AUTO_FREE char *with = guest_render("a\n@TOKEN@\n", &f);

		CHECK(guest_has_token(with) && !guest_is_ours(with));
	}
	TEST("what a token may be") {
		check_token("eyJ.a-b_c=\n", 11, "eyJ.a-b_c=");
		check_token("two words", 9, NULL);
		check_token("a\nb", 3, NULL);
		check_token("a\0b", 3, NULL);
		check_token("a: b", 4, NULL);
		check_token("\n", 1, NULL);
		check_token("", 0, NULL);
	}
	return tap_done();
}
