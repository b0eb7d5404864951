/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* room_ask() on plain files: a driver that answers whatever the file says. */
#include "node.h"
#include "room.h"

static struct catalog cat;
static const struct vgpu_type *types[3];

static void make_types(void)
{
	types[0] = type_make(&cat, 1, "NVIDIA A40-8Q", 6);
	types[1] = type_make(&cat, 2, "NVIDIA A40-24Q", 2);
	types[2] = type_make(&cat, 3, "NVIDIA A40-48Q", 1);
}

/* One GPU with two VFs; what each reads of the three types. */
static struct tree answers(const char *first, const char *second)
{
	AUTO_FREE char *commands = xasprintf(
		"put() { d=sys/bus/pci/devices/$1/mdev_supported_types; shift;"
		" for n in 1 2 3; do mkdir -p $d/nvidia-$n; printf '%%s\\n' \"$1\" > $d/nvidia-$n/available_instances; shift; done; };"
		"put 0000:e8:00.4 %s; put 0000:e8:00.5 %s", first, second);

	return tree_make(commands);
}

static char *ask(struct tree *t, struct inventory *inv)
{
	room_ask(&t->r, &cat, inv, inv->gpus);

	const struct offer *o = inv->gpus[0].offers;

	return xasprintf("%d %d %d", o[0].known ? (int)o[0].available : -1,
			 o[1].known ? (int)o[1].available : -1, o[2].known ? (int)o[2].available : -1);
}

#define CHECK_ROOM(first, second, inv, want) do { \
	struct tree t_ = answers((first), (second)); \
	AUTO_FREE char *got_ = ask(&t_, (inv)); \
	CHECK_STR(got_, (want)); \
	tree_free(&t_); \
} while (0)

static void test_rules(void)
{
	TEST("room: an empty GPU is counted by the rules") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "e8:00.0", 2, types, 3);
		CHECK_ROOM("1 1 1", "1 1 1", &inv, "2 2 1");
		CHECK_NUM(inv.problems.n, 0);
	}
	TEST("room: a driver that says no where the rules say yes is believed") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "e8:00.0", 2, types, 3);
		CHECK_ROOM("0 0 0", "1 1 1", &inv, "0 0 0");
	}
}

static void test_unreadable(void)
{
	TEST("room: what cannot be read on one VF is read on the next") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "e8:00.0", 2, types, 3);
		CHECK_ROOM("x '' 99999999999999999999", "1 1 1", &inv, "2 2 1");
		CHECK_NUM(inv.problems.n, 0);
	}
	TEST("room: what cannot be read anywhere is unknown, with one line") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "e8:00.0", 2, types, 3);
		CHECK_ROOM("x x x", "x x x", &inv, "-1 -1 -1");
		CHECK_NUM(inv.problems.n, 1);
		CHECK_HAS(inv.problems.s[0], "GPU 0000:e8:00.0: room is not known for all types");
	}
}

static void test_held(void)
{
	TEST("room: with every VF taken nothing is asked") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "e8:00.0", 2, types, 3);
		vgpu_make(&inv, "e8:00.0", "e8:00.4", types[0], 0);
		vgpu_make(&inv, "e8:00.0", "e8:00.5", types[0], 0);
		CHECK_ROOM("x x x", "x x x", &inv, "0 0 0");
		CHECK_NUM(inv.problems.n, 0);
	}
	TEST("room: a yes to another size means mixed sizes, and the memory counts") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "e8:00.0", 2, types, 3);
		vgpu_make(&inv, "e8:00.0", "e8:00.4", types[1], 0);
		CHECK_ROOM("0 0 0", "1 1 0", &inv, "1 1 0");
	}
	TEST("room: a claim takes its size and its place") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "e8:00.0", 2, types, 3);
		vgpu_make(&inv, "e8:00.0", "e8:00.4", types[1], 100);
		inv.vgpus[0].exists = false;
		CHECK_ROOM("1 1 1", "1 1 1", &inv, "0 1 0");
	}
}

int main(void)
{
	make_types();
	test_rules();
	test_unreadable();
	test_held();
	catalog_free(&cat);
	return tap_done();
}
