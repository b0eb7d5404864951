/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mig_room.h"
#include "node.h"

static struct catalog cat;
/* An A100 and an H200 give each vGPU an instance of its own; a Blackwell DC has several vGPUs in one. */
static const struct vgpu_type *a100[5], *h200[3], *dc[4];

static struct vgpu_type *type(unsigned int number, const char *name, unsigned int max)
{
	struct vgpu_type *t = type_make(&cat, number, name, max);

	t->framebuffer_mib = vgpu_type_mib_of_name(name);
	return t;
}

static void make_types(void)
{
	a100[0] = type(474, "GRID A100-1-5C", 7);
	a100[1] = type(706, "GRID A100-1-5CME", 1);
	a100[2] = type(475, "GRID A100-2-10C", 3);
	a100[3] = type(1053, "GRID A100-1-10C", 4);
	a100[4] = type(473, "GRID A100-40C", 1);
	h200[0] = type(1414, "NVIDIA H200X-1-17C", 7);
	h200[1] = type(1415, "NVIDIA H200X-1-35C", 4);
	h200[2] = type(1416, "NVIDIA H200X-2-35C", 3);
	dc[0] = type(1550, "NVIDIA RTX Pro 6000 Blackwell DC-1-2Q", 0);
	dc[1] = type(1551, "NVIDIA RTX Pro 6000 Blackwell DC-1-3Q", 0);
	dc[2] = type(1562, "NVIDIA RTX Pro 6000 Blackwell DC-1-24Q", 0);
	dc[3] = type(1563, "NVIDIA RTX Pro 6000 Blackwell DC-2-48Q", 0);
}

/* An A100 at 21:00.0 with so many VFs. Returns it; the next GPU may move it. */
static struct gpu *a100_make(struct inventory *inv, size_t nvfs)
{
	gpu_make(inv, "21:00.0", nvfs, a100, ARRAY_SIZE(a100));
	return &inv->gpus[inv->ngpus - 1];
}

/* An RTX Pro 6000 Blackwell DC at 04:00.0 with 48 VFs. Returns it; the next GPU may move it. */
static struct gpu *dc_make(struct inventory *inv)
{
	gpu_make(inv, "04:00.0", 48, dc, ARRAY_SIZE(dc));
	return &inv->gpus[inv->ngpus - 1];
}

/* One instance more; profile NULL: unknown. */
static struct gpu_instance *add(struct gpu *g, unsigned int id, const char *profile, unsigned int vgpus,
				unsigned int mib)
{
	struct gpu_instance *i = GROW(g->instances, g->ninstances);

	*i = (struct gpu_instance){
		.id = id, .profile = profile ? xstrdup(profile) : NULL, .vgpus = vgpus, .mib = mib,
	};
	g->all_instances = true;
	return i;
}

/* So many of the smallest instances of an A100, with ids from 7 on and no vGPU in them. */
static void add_smallest(struct gpu *g, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		add(g, 7 + i, "1g.5gb", 0, 0);
}

/* A vGPU of this type on VF parent that a VM is to have, and that is not there yet. */
static void claim_make(struct inventory *inv, const char *gpu, const char *parent, const struct vgpu_type *t)
{
	vgpu_make(inv, gpu, parent, t, 100);
	inv->vgpus[inv->nvgpus - 1].exists = false;
}

/* The driver has said of this type that it takes one more, or none. */
static struct offer *say(struct gpu *g, const struct vgpu_type *t, bool yes)
{
	struct offer *o = gpu_offer(g, t);

	o->known = true;
	o->yes = o->at_least = yes;
	o->available = yes;
	return o;
}

static void test_fits(void)
{
	TEST("fits: slices, memory and media engines must be those of the name") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = a100_make(&inv, 16);

		add(g, 7, "1g.5gb", 0, 0);
		add(g, 8, "1g.5gb+me", 0, 0);
		add(g, 3, "2g.10gb", 0, 0);
		add(g, 9, "1g.10gb", 0, 0);
		add(g, 10, NULL, 0, 0);
		add(g, 11, "1g.20gb", 0, 0);

		static const bool want[4][6] = {
			{ true }, { false, true }, { false, false, true }, { false, false, false, true },
		};

		for (size_t t = 0; t < 4; t++)
			for (size_t i = 0; i < 6; i++)
				CHECK_NUM(mig_fits(g, &g->instances[i], a100[t]), want[t][i]);
		CHECK(!mig_fits(g, &g->instances[0], a100[4]));
		CHECK(!mig_shares(g));
	}
	TEST("fits: a name that rounds its memory in another way") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "21:00.0", 16, h200, ARRAY_SIZE(h200));
		CHECK(mig_fits(inv.gpus, add(inv.gpus, 7, "1g.18gb", 0, 0), h200[0]));
		CHECK(!mig_fits(inv.gpus, inv.gpus->instances, h200[1]));
		CHECK(mig_fits(inv.gpus, add(inv.gpus, 8, "1g.36gb", 0, 0), h200[1]));
		CHECK_NUM(mig_count_of(inv.gpus, h200[0]), 1);
	}
}

static void test_one_to_an_instance(void)
{
	TEST("room: before Blackwell one for each instance of the profile") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = a100_make(&inv, 16);

		add_smallest(g, 3);
		g->instances[1].vgpus = 1;
		g->instances[1].mib = 5120;
		vgpu_make(&inv, "21:00.0", "21:00.4", a100[0], 0);
		CHECK_NUM(mig_room(&inv, g, a100[0]), 2);
		CHECK_NUM(mig_room(&inv, g, a100[2]), 0);
		CHECK_NUM(mig_count_of(g, a100[0]), 3);
		CHECK_NUM(mig_count_of(g, a100[2]), 0);
	}
	TEST("room: of vGPUs whose instance is not known each takes one, and so does a claim") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = a100_make(&inv, 16);

		add_smallest(g, 3);
		vgpu_make(&inv, "21:00.0", "21:00.4", a100[0], 0);
		CHECK(!mig_is_counted(&inv, g, g->instances));
		CHECK_NUM(mig_room(&inv, g, a100[0]), 2);
		claim_make(&inv, "21:00.0", "21:00.5", a100[0]);
		CHECK_NUM(mig_room(&inv, g, a100[0]), 1);
		CHECK_NUM(say(g, a100[0], true)->available, 1);
		mig_set_room(&inv, g);
		CHECK_NUM(gpu_offer(g, a100[0])->available, 1);
		CHECK(!gpu_offer(g, a100[0])->at_least);
	}
}

static void test_place(void)
{
	TEST("place: the only instance where it can be, and all where they are full") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = a100_make(&inv, 16);

		add(g, 3, "2g.10gb", 0, 0);
		add_smallest(g, 2);
		/* One that is not listed may be of that profile, too. */
		g->all_instances = false;
		CHECK(!mig_place(g, a100[2]));
		CHECK_NUM(g->instances[0].vgpus, 0);
		g->all_instances = true;
		CHECK(mig_place(g, a100[2]));
		CHECK_NUM(g->instances[0].vgpus, 1);
		CHECK(!mig_place(g, a100[0]));
		vgpu_make(&inv, "21:00.0", "21:00.4", a100[0], 0);
		mig_fill(&inv, g);
		CHECK_NUM(g->instances[1].vgpus, 0);
		vgpu_make(&inv, "21:00.0", "21:00.5", a100[0], 0);
		mig_fill(&inv, g);
		CHECK_NUM(g->instances[1].vgpus + g->instances[2].vgpus, 2);
		CHECK(mig_is_counted(&inv, g, &g->instances[1]));
	}
}

static void test_several_to_an_instance(void)
{
	TEST("room: on Blackwell several of one size in an instance") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = dc_make(&inv);

		CHECK(mig_shares(g));
		add(g, 3, "1g.24gb+gfx", 0, 0);
		add(g, 4, "1g.24gb+gfx", 5, 2048);
		for (int i = 0; i < 5; i++) {
			AUTO_FREE char *vf = xasprintf("04:00.%d", i);

			vgpu_make(&inv, "04:00.0", vf, dc[0], 0);
		}
		CHECK_NUM(mig_room(&inv, g, dc[0]), 12 + 7);
		CHECK_NUM(mig_room(&inv, g, dc[1]), 8);
		CHECK_NUM(mig_room(&inv, g, dc[2]), 1);
		CHECK_NUM(mig_room(&inv, g, dc[3]), 0);
	}
}

static void test_room_that_is_not_known(void)
{
	TEST("room: not known without all profiles, with unlike ones, or with a claim between two") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = dc_make(&inv);

		add(g, 3, "1g.24gb+gfx", 0, 0);
		add(g, 4, NULL, 0, 0);
		CHECK_NUM(mig_room(&inv, g, dc[0]), -1);
		CHECK_NUM(mig_count_of(g, dc[0]), -1);
		g->instances[1].profile = xstrdup("1g.24gb");
		CHECK_NUM(mig_room(&inv, g, dc[0]), -1);
		free(g->instances[1].profile);
		g->instances[1].profile = xstrdup("1g.24gb+gfx");
		CHECK_NUM(mig_room(&inv, g, dc[0]), 24);
		g->all_instances = false;
		CHECK_NUM(mig_room(&inv, g, dc[0]), -1);
		g->all_instances = true;
		claim_make(&inv, "04:00.0", "04:00.4", dc[0]);
		CHECK_NUM(mig_room(&inv, g, dc[0]), -1);
	}
}

static void test_what_the_driver_said(void)
{
	TEST("set: the driver's no stays, its yes is at least one, VFs and max_instance bound it") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = a100_make(&inv, 2);

		add_smallest(g, 4);
		say(g, a100[0], true);
		mig_set_room(&inv, g);
		CHECK_NUM(gpu_offer(g, a100[0])->available, 2);
		CHECK(!mig_contradicts(&inv, g));
		say(g, a100[0], false);
		mig_set_room(&inv, g);
		CHECK_NUM(gpu_offer(g, a100[0])->available, 0);
		CHECK(!gpu_offer(g, a100[0])->at_least);
		CHECK(mig_contradicts(&inv, g));
		say(g, a100[0], true);
		say(g, a100[2], true);
		mig_set_room(&inv, g);
		CHECK_NUM(gpu_offer(g, a100[2])->available, 1);
		CHECK(gpu_offer(g, a100[2])->at_least);
		CHECK(mig_contradicts(&inv, g));
	}
	TEST("set: max_instance bounds it where there are VFs and instances for more") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = a100_make(&inv, 16);

		for (unsigned int id = 7; id < 13; id++)
			add(g, id, "1g.10gb", 0, 0);
		say(g, a100[3], true);
		mig_set_room(&inv, g);
		CHECK_NUM(gpu_offer(g, a100[3])->available, 4);
	}
	TEST("set: a claim that is not made yet has the place that the driver still sees") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = a100_make(&inv, 16);

		add_smallest(g, 1);
		claim_make(&inv, "21:00.0", "21:00.4", a100[0]);
		say(g, a100[0], true);
		mig_set_room(&inv, g);
		CHECK_NUM(gpu_offer(g, a100[0])->available, 0);
		CHECK(!gpu_offer(g, a100[0])->at_least);
		CHECK(!mig_contradicts(&inv, g));
	}
	TEST("set: at least one is one where there is no VF for a second") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct gpu *g = a100_make(&inv, 1);

		add_smallest(g, 1);
		say(g, a100[2], true);
		mig_set_room(&inv, g);
		CHECK_NUM(gpu_offer(g, a100[2])->available, 1);
		CHECK(!gpu_offer(g, a100[2])->at_least);
	}
}

static void test_profile(void)
{
	TEST("profile: what a type's name tells of its instance") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		a100_make(&inv, 2);
		dc_make(&inv);

		AUTO_FREE char *plain = mig_profile_of(&inv.gpus[0], a100[0]);
		AUTO_FREE char *media = mig_profile_of(&inv.gpus[0], a100[1]);
		AUTO_FREE char *shared = mig_profile_of(&inv.gpus[1], dc[0]);

		CHECK_STR(plain, "1g.5gb");
		CHECK_STR(media, "1g.5gb+me");
		CHECK_STR(shared, "1g.24gb");
	}
}

int main(void)
{
	make_types();
	test_fits();
	test_one_to_an_instance();
	test_place();
	test_several_to_an_instance();
	test_room_that_is_not_known();
	test_what_the_driver_said();
	test_profile();
	catalog_free(&cat);
	return tap_done();
}
