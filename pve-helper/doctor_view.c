/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What `doctor` prints. */
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "doctor.h"
#include "json_util.h"
#include "term.h"
#include "xalloc.h"

static const char *const answers[] = {
	[DOCTOR_YES] = "yes", [DOCTOR_NO] = "no", [DOCTOR_NA] = "n/a",
};

/* --- JSON --- */

static struct json_object *problems_json(const struct finding *f)
{
	struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < f->n; i++) {
		struct json_object *o = json_object_new_object();

		json_add_str(o, "what", f->problems[i].what);
		json_add_str(o, "mend", f->problems[i].mend);
		json_add_flag(o, "blocks", f->problems[i].weight == DOCTOR_BLOCKS);
		json_object_array_add(all, o);
	}
	return all;
}

static void print_json(const struct doctor_result *results, size_t n)
{
	AUTO_JSON struct json_object *all = json_object_new_array();

	for (size_t i = 0; i < n; i++) {
		const struct doctor_result *r = &results[i];
		struct json_object *o = json_object_new_object();

		json_add_str(o, "check", r->check->name);
		json_add_str(o, "about", r->check->about);
		json_add_str(o, "answer", answers[r->f.answer]);
		json_add_str(o, "note", r->f.note);
		json_object_object_add(o, "problems", problems_json(&r->f));
		json_object_array_add(all, o);
	}

	AUTO_FREE char *text = json_print(all);

	fputs(text, stdout);
}

/* --- text --- */

/* In a pipe a line for each thing that is wrong: answer, check, whether it blocks, what, what mends it. */
static void print_record(const struct doctor_result *r)
{
	const struct finding *f = &r->f;

	if (!f->n)
		printf("%s\t%s\t-\t%s%s%s\t-\n", answers[f->answer], r->check->name, r->check->about,
		       f->note && *f->note ? ": " : "", f->note ? f->note : "");
	for (size_t i = 0; i < f->n; i++)
		printf("no\t%s\t%s\t%s\t%s\n", r->check->name, f->problems[i].weight == DOCTOR_BLOCKS ? "blocks" : "-",
		       f->problems[i].what, f->problems[i].mend ? f->problems[i].mend : "-");
}

#define ANSWER_WIDTH	5
#define NAME_WIDTH	13
#define INDENT		(ANSWER_WIDTH + NAME_WIDTH)

static enum style style_of(const struct finding *f)
{
	if (f->answer == DOCTOR_NA)
		return STYLE_FAINT;
	for (size_t i = 0; i < f->n; i++)
		if (f->problems[i].weight == DOCTOR_BLOCKS)
			return STYLE_WARN;
	return STYLE_NONE;
}

static void print_lines(const struct doctor_result *r)
{
	const struct finding *f = &r->f;
	enum style s = style_of(f);

	printf("%s%-*s%-*s%s%s%s%s\n", term_on(stdout, s), ANSWER_WIDTH, answers[f->answer], NAME_WIDTH, r->check->name,
	       r->check->about, f->note && *f->note ? ": " : "", f->note ? f->note : "", term_off(stdout, s));
	for (size_t i = 0; i < f->n; i++) {
		printf("%*s%s\n", INDENT, "", f->problems[i].what);
		if (f->problems[i].mend)
			printf("%*s%smend: %s%s\n", INDENT, "", term_on(stdout, STYLE_BOLD), f->problems[i].mend,
			       term_off(stdout, STYLE_BOLD));
	}
}

void doctor_print(const struct doctor_result *results, size_t n, bool json)
{
	bool tty = term_is_tty(stdout);

	if (json) {
		print_json(results, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		if (tty)
			print_lines(&results[i]);
		else
			print_record(&results[i]);
}
