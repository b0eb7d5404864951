/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include <ctype.h>
#include <errno.h>
#include <json-c/json.h>
#include <strings.h>

#include "cleanup.h"
#include "names.h"
#include "tap.h"
#include "xalloc.h"

#define TYPES_JSON "tests/nodes/types.json"

struct table {
	struct vgpu_type *type;
	size_t n;
	const struct vgpu_type **row;	/* pointers to all of type, for name_resolve() */
};

static void table_add(struct table *t, const char *dirname, const char *full_name)
{
	struct vgpu_type *new = GROW(t->type, t->n);

	new->key = vgpu_type_key(dirname, &new->number);
	new->full_name = xstrdup(full_name);
}

/* After the last row: the rows have moved while the table grew. */
static void table_done(struct table *t)
{
	free(t->row);
	t->row = xcalloc(t->n, sizeof(*t->row));
	for (size_t i = 0; i < t->n; i++)
		t->row[i] = &t->type[i];
}

static void table_free(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		vgpu_type_free(&t->type[i]);
	free(t->type);
	free(t->row);
}

#define AUTO_TABLE AUTO(table_free)

/* A node with three kinds of parents. */
static struct table small_node(void)
{
	static const char *const rows[][2] = {
		{ "nvidia-563", "NVIDIA A40-2Q" },
		{ "nvidia-556", "NVIDIA A40-2B" },
		{ "nvidia-568", "NVIDIA A40-12Q" },
		{ "nvidia-558", "NVIDIA A40-24Q" },
		{ "vfio-pci-575", "NVIDIA A40-24A" },
		{ "nvidia-575", "NVIDIA A40-24A" },
		{ "nvidia-576", "NVIDIA A40-48A" },
		{ "nvidia-156", "GRID P40-2B" },
		{ "nvidia-215", "GRID P40-2B4" },
		{ "nvidia-1500", "NVIDIA RTX Pro 6000 Blackwell DC-48C" },
		{ "nvidia-1604", "NVIDIA GeForce RTX 3050" },
		{ "nvidia-2266", "NVIDIA GeForce RTX 3050" },
		{ "i915-GVTg_V5_4", "GVTg_V5_4" },
		{ "mtty-2", "Dual port serial" },
	};
	struct table t = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		table_add(&t, rows[i][0], rows[i][1]);
	table_done(&t);
	return t;
}

static void check_resolves(const struct table *t, const char *asked, const char *key)
{
	const struct vgpu_type *got = NULL;
	AUTO_ERR struct err e = { 0 };

	if (name_resolve(asked, t->row, t->n, &got, &e) < 0)
		printf("# '%s': %s\n", asked, e.msg);
	CHECK_STR(got ? got->key : NULL, key);
}

static void check_refused(const struct table *t, const char *asked, int rc, const char *msg)
{
	const struct vgpu_type *got = NULL;
	AUTO_ERR struct err e = { 0 };

	CHECK_NUM(name_resolve(asked, t->row, t->n, &got, &e), rc);
	CHECK_STR(e.msg, msg);
	CHECK(!got);
}

static void test_resolve(const struct table *t)
{
	TEST("name_resolve: takes the friendly name") {
		check_resolves(t, "A40-24A", "nvidia-575");
		check_resolves(t, "DC-48C", "nvidia-1500");
		check_resolves(t, "P40-2B", "nvidia-156");
		check_resolves(t, "P40-2B4", "nvidia-215");
	}
	TEST("name_resolve: takes the reported name, with the vendor's word and without") {
		check_resolves(t, "NVIDIA A40-24A", "nvidia-575");
		check_resolves(t, "GRID P40-2B", "nvidia-156");
		check_resolves(t, "NVIDIA RTX Pro 6000 Blackwell DC-48C", "nvidia-1500");
		check_resolves(t, "RTX Pro 6000 Blackwell DC-48C", "nvidia-1500");
		check_resolves(t, "Dual port serial", "mtty-2");
	}
	TEST("name_resolve: takes the number, alone and behind each driver's name") {
		check_resolves(t, "575", "nvidia-575");
		check_resolves(t, "nvidia-575", "nvidia-575");
		check_resolves(t, "vfio-pci-575", "nvidia-575");
		check_resolves(t, "pci-575", "nvidia-575");
		check_resolves(t, "2266", "nvidia-2266");
	}
	TEST("name_resolve: takes the names of types that are not NVIDIA's") {
		check_resolves(t, "i915-GVTg_V5_4", "i915-GVTg_V5_4");
		check_resolves(t, "GVTg_V5_4", "i915-GVTg_V5_4");
		check_resolves(t, "mtty-2", "mtty-2");
		check_resolves(t, "2", "mtty-2");
	}
	TEST("name_resolve: case, blanks, '-' and '_' make no difference") {
		check_resolves(t, "a40_24a", "nvidia-575");
		check_resolves(t, "nvidia a40 24A", "nvidia-575");
		check_resolves(t, "  A40 -_ 24A\t", "nvidia-575");
		check_resolves(t, "rtx_pro-6000  blackwell_dc_48c", "nvidia-1500");
		check_resolves(t, "gvtg-v5-4", "i915-GVTg_V5_4");
		check_resolves(t, "NVIDIA_575", "nvidia-575");
		check_resolves(t, "VFIO PCI 575", "nvidia-575");
	}
	TEST("name_resolve: the same type on several GPUs is one type") {
		check_resolves(t, "A40-24A", "nvidia-575");
	}
	TEST("name_resolve: a separator cannot be left out or added") {
		check_refused(t, "A4024A", -ENOENT,
			      "'A4024A' is no vGPU type of this node; nearest: A40-24A");
		check_refused(t, "-575", -ENOENT, "'-575' is no vGPU type of this node");
		check_refused(t, "0575", -ENOENT,
			      "'0575' is no vGPU type of this node; nearest: A40-24A (nvidia-575)");
	}
}

static void test_ambiguous(const struct table *t)
{
	TEST("name_resolve: what names two types is refused with both listed") {
		AUTO_ERR struct err e = { 0 };
		const struct vgpu_type *got = NULL;

		check_refused(t, "3050", -ENOTUNIQ, "'3050' names 2 vGPU types: "
			      "NVIDIA GeForce RTX 3050 (nvidia-1604), "
			      "NVIDIA GeForce RTX 3050 (nvidia-2266)");
		CHECK_NUM(name_resolve("GeForce RTX 3050", t->row, t->n, &got, &e), -ENOTUNIQ);
		CHECK_STR(e.hint, "use the id, such as 'nvidia-1604'");
	}
}

static void test_nearest(const struct table *t)
{
	TEST("name_resolve: an unknown name gets those that it begins") {
		check_refused(t, "A40-24", -ENOENT,
			      "'A40-24' is no vGPU type of this node; nearest: A40-24A, A40-24Q");
		check_refused(t, "nvidia a40_2", -ENOENT,
			      "'nvidia a40_2' is no vGPU type of this node; nearest: A40-2B, A40-2Q");
		check_refused(t, "A40-1", -ENOENT,
			      "'A40-1' is no vGPU type of this node; nearest: A40-12Q");
	}
	TEST("name_resolve: else those of the smallest distance") {
		check_refused(t, "A40-24X", -ENOENT,
			      "'A40-24X' is no vGPU type of this node; nearest: A40-24A, A40-24Q");
		check_refused(t, "A04-48A", -ENOENT,
			      "'A04-48A' is no vGPU type of this node; nearest: A40-48A");
		check_refused(t, "RTX Pro 600 Blackwel DC-48C", -ENOENT,
			      "'RTX Pro 600 Blackwel DC-48C' is no vGPU type of this node; nearest: DC-48C");
	}
	TEST("name_resolve: a number that is none gets the nearest ids") {
		check_refused(t, "5750", -ENOENT,
			      "'5750' is no vGPU type of this node; nearest: A40-24A (nvidia-575)");
		check_refused(t, "nvidia-5750", -ENOENT,
			      "'nvidia-5750' is no vGPU type of this node; nearest: A40-24A (nvidia-575)");
		check_refused(t, "305", -ENOENT, "'305' is no vGPU type of this node; nearest: 3050");
		check_refused(t, "99999", -ENOENT, "'99999' is no vGPU type of this node");
	}
	TEST("name_resolve: a size without its board, and a board without a size") {
		check_refused(t, "24A", -ENOENT, "'24A' is no vGPU type of this node; nearest: A40-24A");
		check_refused(t, "48c", -ENOENT, "'48c' is no vGPU type of this node; nearest: DC-48C");
		check_refused(t, "nvidia a40", -ENOENT,
			      "'nvidia a40' is no vGPU type of this node; nearest: A40-2B, A40-2Q, A40-12Q, A40-24A, A40-24Q, A40-48A");
		check_refused(t, "RTX Pro 6000 Blackwell", -ENOENT,
			      "'RTX Pro 6000 Blackwell' is no vGPU type of this node; nearest: DC-48C");
		check_refused(t, "A4", -ENOENT, "'A4' is no vGPU type of this node");
		check_refused(t, "4A", -ENOENT, "'4A' is no vGPU type of this node");
	}
}

static void test_nothing_near(const struct table *t)
{
	TEST("name_resolve: what is near nothing gets a hint alone") {
		AUTO_ERR struct err e = { 0 };
		const struct vgpu_type *got;

		check_refused(t, "nonsense", -ENOENT, "'nonsense' is no vGPU type of this node");
		check_refused(t, "", -ENOENT, "'' is no vGPU type of this node");
		check_refused(t, " \t", -ENOENT, "' \\t' is no vGPU type of this node");
		name_resolve("nonsense", t->row, t->n, &got, &e);
		CHECK_STR(e.hint, "'pve-vgpu types' lists the types of this node");
	}
	TEST("name_resolve: says so where the node has no types") {
		struct table none = { 0 };

		table_done(&none);
		check_refused(&none, "A40-24A", -ENOENT,
			      "'A40-24A' is no vGPU type of this node; it has no vGPU types at all");
		table_free(&none);
	}
	TEST("name_resolve: hostile text shows escaped and cut") {
		AUTO_FREE char *text = xcalloc((1 << 20) + 1, 1);
		AUTO_ERR struct err e = { 0 };
		const struct vgpu_type *got;

		check_refused(t, "\033[2JA40\n", -ENOENT, "'\\x1b[2JA40\\n' is no vGPU type of this node");
		memset(text, 'x', 1 << 20);
		CHECK_NUM(name_resolve(text, t->row, t->n, &got, &e), -ENOENT);
		CHECK(strlen(e.msg) < 200);
		CHECK_HAS(e.msg, "xxx\xe2\x80\xa6'");
	}
	TEST("name_resolve: does without struct err") {
		const struct vgpu_type *got;

		CHECK_NUM(name_resolve("x", t->row, t->n, &got, NULL), -ENOENT);
		CHECK_NUM(name_resolve("3050", t->row, t->n, &got, NULL), -ENOTUNIQ);
	}
}

static void test_near(const struct table *t)
{
	TEST("names_near: gives at most eight, in natural order") {
		struct table many = { 0 };

		for (int i = 20; i > 0; i--) {
			AUTO_FREE char *dir = xasprintf("nvidia-%d", i);
			AUTO_FREE char *name = xasprintf("NVIDIA X-%dQ", i);

			table_add(&many, dir, name);
		}
		table_done(&many);

		AUTO_STRLIST struct strlist near = names_near("X-0Q", many.row, many.n);

		CHECK_NUM(near.n, NAMES_NEAR_MAX);
		CHECK_STR(near.s[0], "X-1Q");
		CHECK_STR(near.s[1], "X-2Q");
		CHECK_STR(near.s[7], "X-8Q");
		table_free(&many);
	}
	TEST("names_near: a name on several GPUs comes once") {
		AUTO_STRLIST struct strlist near = names_near("A40-24AA", t->row, t->n);

		CHECK_NUM(near.n, 1);
		CHECK_STR(near.s[0], "A40-24A");
	}
}

static void test_matches(const struct table *t)
{
	TEST("name_matches: knows the spellings of one type") {
		CHECK(name_matches("a40-24a", t->row[4]));
		CHECK(name_matches("575", t->row[4]));
		CHECK(!name_matches("A40-24Q", t->row[4]));
		CHECK(!name_matches("", t->row[4]));
	}
	TEST("name_matches: does without a reported name") {
		char key[] = "nvidia-575";
		struct vgpu_type bare = { .key = key, .number = 575 };
		const struct vgpu_type *row = &bare;
		AUTO_STRLIST struct strlist near = names_near("A40", &row, 1);

		CHECK(name_matches("vfio-pci-575", &bare));
		CHECK(!name_matches("", &bare));
		CHECK_NUM(near.n, 0);
	}
}

static void test_distance(void)
{
	TEST("names_distance: counts inserts, deletes, replacements and swaps") {
		CHECK_NUM(names_distance("gpu", "gpu", 2), 0);
		CHECK_NUM(names_distance("gpu", "gpus", 2), 1);
		CHECK_NUM(names_distance("gpu", "pu", 2), 1);
		CHECK_NUM(names_distance("gpu", "cpu", 2), 1);
		CHECK_NUM(names_distance("gpu", "pgu", 2), 1);
		CHECK_NUM(names_distance("hostpic1", "hostpci0", 2), 2);
		CHECK_NUM(names_distance("", "ab", 2), 2);
		CHECK_NUM(names_distance("", "", 0), 0);
	}
	TEST("names_distance: is one more than the limit for all that is beyond it") {
		CHECK_NUM(names_distance("abcdef", "uvwxyz", 2), 3);
		CHECK_NUM(names_distance("a", "abcdefgh", 2), 3);
	}
}

static void test_natural_cmp(void)
{
	TEST("names_natural_cmp: numbers count as numbers, case only between equals") {
		static const char *const order[] = {
			"", "A40-1B", "A40-2B", "A40-2Q", "a40-2q", "A40-12Q", "A40-100", "A100-1", "B",
		};

		for (size_t i = 0; i < ARRAY_SIZE(order); i++)
			for (size_t j = 0; j < ARRAY_SIZE(order); j++) {
				int c = names_natural_cmp(order[i], order[j]);

				CHECK_NUM((c > 0) - (c < 0), (i > j) - (i < j));
			}
	}
	TEST("names_natural_cmp: takes digits of any length, and zeros before them") {
		CHECK(names_natural_cmp("x99999999999999999999999", "x100000000000000000000000") < 0);
		CHECK(names_natural_cmp("x007", "x8") < 0);
		CHECK(names_natural_cmp("x007", "x7") != 0);
		CHECK_NUM(names_natural_cmp("x7", "x7"), 0);
	}
}

/* --- every row of the table of NVIDIA's types, by every spelling --- */

/* One of several ways to write the same name. */
static char *vary(const char *text, unsigned int how)
{
	static const char *const blanks[] = { " ", "-", "_", "  ", " - ", "\t" };
	char *out = NULL;
	size_t len;
	FILE *f = xmemstream(&out, &len);

	fputs(how % 3 == 1 ? "  " : "", f);
	for (; *text; text++, how = how * 5 + 3) {
		unsigned char c = (unsigned char)*text;

		if (strchr(" -_", c))
			fputs(blanks[how / 2 % ARRAY_SIZE(blanks)], f);
		else
			fputc(how & 1 ? toupper(c) : how & 2 ? tolower(c) : c, f);
	}
	fputs(how % 3 == 2 ? "\t" : "", f);
	fclose(f);
	return out;
}

struct tally {
	unsigned int same, ambiguous;
};

/* Another type of the same friendly name, which alone may make a spelling ambiguous. */
static bool has_twin(const struct table *t, const struct vgpu_type *row)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->row[i]->key, row->key) &&
		    !strcasecmp(vgpu_type_name(t->row[i]), vgpu_type_name(row)))
			return true;
	return false;
}

static void check_spelling(const struct table *t, const struct vgpu_type *row,
			   const char *spelling, struct tally *tally)
{
	for (unsigned int how = 0; how < 4; how++) {
		AUTO_FREE char *asked = how ? vary(spelling, how * 7 + row->number) : xstrdup(spelling);
		const struct vgpu_type *got = NULL;
		AUTO_ERR struct err e = { 0 };
		int rc = name_resolve(asked, t->row, t->n, &got, &e);

		if (rc == -ENOTUNIQ) {
			CHECK_HAS(e.msg, row->key);
			CHECK(has_twin(t, row));
			tally->ambiguous++;
			continue;
		}
		if (rc < 0)
			printf("# '%s' for %s: %s\n", asked, row->key, e.msg);
		CHECK_STR(got ? got->key : NULL, row->key);
		tally->same++;
	}
}

static void check_row(const struct table *t, const struct vgpu_type *row, struct tally *tally)
{
	static const char *const drivers[] = { "nvidia-", "vfio-pci-", "pci-", "" };
	const char *full = row->full_name;
	const char *blank = strchr(full, ' ');

	check_spelling(t, row, full, tally);
	check_spelling(t, row, vgpu_type_name(row), tally);
	if (blank && (!strncmp(full, "GRID ", 5) || !strncmp(full, "NVIDIA ", 7)))
		check_spelling(t, row, blank + 1, tally);
	if (!row->number) {
		check_spelling(t, row, row->key, tally);
		check_spelling(t, row, vgpu_type_id(row), tally);
		return;
	}

	unsigned int ambiguous = tally->ambiguous;

	for (size_t i = 0; i < ARRAY_SIZE(drivers); i++) {
		AUTO_FREE char *id = xasprintf("%s%u", drivers[i], row->number);

		check_spelling(t, row, id, tally);
	}
	CHECK_NUM(tally->ambiguous, ambiguous);
}

/* Ids are numbers of NVIDIA's, Intel's ids, or whole names of directories. */
static const char *driver_of(const char *id)
{
	if (!id[strspn(id, "0123456789")])
		return "nvidia-";
	return strncmp(id, "GVTg", 4) ? "" : "i915-";
}

static void add_json(struct table *t, struct json_object *row)
{
	const char *id = json_object_get_string(json_object_object_get(row, "id"));
	const char *name = json_object_get_string(json_object_object_get(row, "name"));
	AUTO_FREE char *dir = xasprintf("%s%s", id ? driver_of(id) : "", id ? id : "");

	CHECK(id && name);
	if (id && name)
		table_add(t, dir, name);
}

static struct table load(struct json_object *root, const char *board)
{
	struct table t = { 0 };

	json_object_object_foreach(root, name, rows) {
		for (size_t i = 0; i < json_object_array_length(rows); i++)
			if (!board || !strcmp(board, name))
				add_json(&t, json_object_array_get_idx(rows, i));
	}
	table_done(&t);
	return t;
}

static void check_table(const struct table *t, struct tally *tally)
{
	for (size_t i = 0; i < t->n; i++)
		check_row(t, t->row[i], tally);
}

static void test_property(const char *path)
{
	struct json_object *root = json_object_from_file(path);
	struct tally tally = { 0 };

	if (!root)
		printf("# %s\n", json_util_get_last_err());
	TEST("property: the table of types is there") {
		CHECK(root && json_object_object_length(root) > 10);
	}
	if (!root)
		return;
	TEST("property: among the types of all boards, no spelling of one names another") {
		AUTO_TABLE struct table all = load(root, NULL);

		CHECK(all.n > 500);
		check_table(&all, &tally);
		printf("# %zu rows: %u spellings resolve, %u are ambiguous\n",
		       all.n, tally.same, tally.ambiguous);
		CHECK(tally.ambiguous < tally.same / 50);
	}
	TEST("property: among the types of each board alone, no spelling of one names another") {
		json_object_object_foreach(root, board, rows) {
			AUTO_TABLE struct table one = load(root, board);

			CHECK_NUM(one.n, json_object_array_length(rows));
			check_table(&one, &tally);
		}
	}
	json_object_put(root);
}

int main(int argc, char *argv[])
{
	AUTO_TABLE struct table node = small_node();

	test_resolve(&node);
	test_ambiguous(&node);
	test_nearest(&node);
	test_nothing_near(&node);
	test_near(&node);
	test_matches(&node);
	test_distance();
	test_natural_cmp();
	test_property(argc > 1 ? argv[1] : TYPES_JSON);
	return tap_done();
}
