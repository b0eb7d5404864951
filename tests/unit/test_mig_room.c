/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "mig_room.h"
#include "node.h"

static struct catalog cat;

static struct vgpu_type *type(unsigned int number, const char *name, unsigned int max)
{
	struct vgpu_type *t = type_make(&cat, number, name, max);

	t->framebuffer_mib = vgpu_type_mib_of_name(name);
	return t;
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

/* The driver has said of this type that it takes one more, or none. */
static struct offer *say(struct gpu *g, const struct vgpu_type *t, bool yes)
{
	struct offer *o = gpu_offer(g, t);

	o->known = true;
	o->yes = o->at_least = yes;
	o->available = yes;
	return o;
}

int main(void)
{
	const struct vgpu_type *a100[] = {
		type(474, "GRID A100-1-5C", 7), type(706, "GRID A100-1-5CME", 1), type(475, "GRID A100-2-10C", 3),
		type(1053, "GRID A100-1-10C", 4), type(473, "GRID A100-40C", 1),
	};
	const struct vgpu_type *dc[] = {
		type(1550, "NVIDIA RTX Pro 6000 Blackwell DC-1-2Q", 0), type(1551, "NVIDIA RTX Pro 6000 Blackwell DC-1-3Q", 0),
		type(1562, "NVIDIA RTX Pro 6000 Blackwell DC-1-24Q", 0), type(1563, "NVIDIA RTX Pro 6000 Blackwell DC-2-48Q", 0),
	};
	const struct vgpu_type *h200[] = {
		type(1414, "NVIDIA H200X-1-17C", 7), type(1415, "NVIDIA H200X-1-35C", 4), type(1416, "NVIDIA H200X-2-35C", 3),
	};

	TEST("fits: slices, memory and media engines must be those of the name") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "21:00.0", 16, a100, ARRAY_SIZE(a100));
		struct gpu *g = inv.gpus;

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
	TEST("room: before Blackwell one for each instance of the profile") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "21:00.0", 16, a100, ARRAY_SIZE(a100));
		add(inv.gpus, 7, "1g.5gb", 0, 0);
		add(inv.gpus, 8, "1g.5gb", 1, 5120);
		add(inv.gpus, 9, "1g.5gb", 0, 0);
		vgpu_make(&inv, "21:00.0", "21:00.4", a100[0], 0);
		CHECK_NUM(mig_room(&inv, inv.gpus, a100[0]), 2);
		CHECK_NUM(mig_room(&inv, inv.gpus, a100[2]), 0);
		CHECK_NUM(mig_count_of(inv.gpus, a100[0]), 3);
		CHECK_NUM(mig_count_of(inv.gpus, a100[2]), 0);
	}
	TEST("room: of vGPUs whose instance is not known each takes one, and so does a claim") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "21:00.0", 16, a100, ARRAY_SIZE(a100));
		add(inv.gpus, 7, "1g.5gb", 0, 0);
		add(inv.gpus, 8, "1g.5gb", 0, 0);
		add(inv.gpus, 9, "1g.5gb", 0, 0);
		vgpu_make(&inv, "21:00.0", "21:00.4", a100[0], 0);
		CHECK(!mig_is_counted(&inv, inv.gpus, inv.gpus->instances));
		CHECK_NUM(mig_room(&inv, inv.gpus, a100[0]), 2);
		vgpu_make(&inv, "21:00.0", "21:00.5", a100[0], 100);
		inv.vgpus[1].exists = false;
		CHECK_NUM(mig_room(&inv, inv.gpus, a100[0]), 1);
		CHECK_NUM(say(inv.gpus, a100[0], true)->available, 1);
		mig_set_room(&inv, inv.gpus);
		CHECK_NUM(gpu_offer(inv.gpus, a100[0])->available, 1);
		CHECK(!gpu_offer(inv.gpus, a100[0])->at_least);
	}
	TEST("place: the only instance where it can be, and all where they are full") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "21:00.0", 16, a100, ARRAY_SIZE(a100));
		add(inv.gpus, 3, "2g.10gb", 0, 0);
		add(inv.gpus, 7, "1g.5gb", 0, 0);
		add(inv.gpus, 8, "1g.5gb", 0, 0);
		CHECK(mig_place(inv.gpus, a100[2]));
		CHECK_NUM(inv.gpus->instances[0].vgpus, 1);
		CHECK(!mig_place(inv.gpus, a100[0]));
		vgpu_make(&inv, "21:00.0", "21:00.4", a100[0], 0);
		mig_fill(&inv, inv.gpus);
		CHECK_NUM(inv.gpus->instances[1].vgpus, 0);
		vgpu_make(&inv, "21:00.0", "21:00.5", a100[0], 0);
		mig_fill(&inv, inv.gpus);
		CHECK_NUM(inv.gpus->instances[1].vgpus + inv.gpus->instances[2].vgpus, 2);
		CHECK(mig_is_counted(&inv, inv.gpus, &inv.gpus->instances[1]));
	}
	TEST("room: on Blackwell several of one size in an instance") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "04:00.0", 48, dc, ARRAY_SIZE(dc));
		CHECK(mig_shares(inv.gpus));
		add(inv.gpus, 3, "1g.24gb+gfx", 0, 0);
		add(inv.gpus, 4, "1g.24gb+gfx", 5, 2048);
		for (int i = 0; i < 5; i++) {
			AUTO_FREE char *vf = xasprintf("04:00.%d", i);

			vgpu_make(&inv, "04:00.0", vf, dc[0], 0);
		}
		CHECK_NUM(mig_room(&inv, inv.gpus, dc[0]), 12 + 7);
		CHECK_NUM(mig_room(&inv, inv.gpus, dc[1]), 8);
		CHECK_NUM(mig_room(&inv, inv.gpus, dc[2]), 1);
		CHECK_NUM(mig_room(&inv, inv.gpus, dc[3]), 0);
	}
	TEST("room: not known without all profiles, with unlike ones, or with a claim between two") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "04:00.0", 48, dc, ARRAY_SIZE(dc));
		add(inv.gpus, 3, "1g.24gb+gfx", 0, 0);
		add(inv.gpus, 4, NULL, 0, 0);
		CHECK_NUM(mig_room(&inv, inv.gpus, dc[0]), -1);
		CHECK_NUM(mig_count_of(inv.gpus, dc[0]), -1);
		inv.gpus->instances[1].profile = xstrdup("1g.24gb");
		CHECK_NUM(mig_room(&inv, inv.gpus, dc[0]), -1);
		free(inv.gpus->instances[1].profile);
		inv.gpus->instances[1].profile = xstrdup("1g.24gb+gfx");
		CHECK_NUM(mig_room(&inv, inv.gpus, dc[0]), 24);
		inv.gpus->all_instances = false;
		CHECK_NUM(mig_room(&inv, inv.gpus, dc[0]), -1);
		inv.gpus->all_instances = true;
		vgpu_make(&inv, "04:00.0", "04:00.4", dc[0], 100);
		inv.vgpus[0].exists = false;
		CHECK_NUM(mig_room(&inv, inv.gpus, dc[0]), -1);
	}
	TEST("set: the driver's no stays, its yes is at least one, VFs and max_instance bound it") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "21:00.0", 2, a100, ARRAY_SIZE(a100));
		for (unsigned int i = 0; i < 4; i++)
			add(inv.gpus, 7 + i, "1g.5gb", 0, 0);
		say(inv.gpus, a100[0], true);
		mig_set_room(&inv, inv.gpus);
		CHECK_NUM(gpu_offer(inv.gpus, a100[0])->available, 2);
		CHECK(!mig_contradicts(&inv, inv.gpus));
		say(inv.gpus, a100[0], false);
		mig_set_room(&inv, inv.gpus);
		CHECK_NUM(gpu_offer(inv.gpus, a100[0])->available, 0);
		CHECK(!gpu_offer(inv.gpus, a100[0])->at_least);
		CHECK(mig_contradicts(&inv, inv.gpus));
		say(inv.gpus, a100[0], true);
		say(inv.gpus, a100[2], true);
		mig_set_room(&inv, inv.gpus);
		CHECK_NUM(gpu_offer(inv.gpus, a100[2])->available, 1);
		CHECK(gpu_offer(inv.gpus, a100[2])->at_least);
		CHECK(mig_contradicts(&inv, inv.gpus));
	}
	TEST("profile: what a type's name tells of its instance") {
		AUTO_INVENTORY struct inventory inv = { 0 };

		gpu_make(&inv, "21:00.0", 2, a100, ARRAY_SIZE(a100));
		gpu_make(&inv, "04:00.0", 2, dc, ARRAY_SIZE(dc));

		AUTO_FREE char *plain = mig_profile_of(&inv.gpus[0], a100[0]);
		AUTO_FREE char *media = mig_profile_of(&inv.gpus[0], a100[1]);
		AUTO_FREE char *shared = mig_profile_of(&inv.gpus[1], dc[0]);

		CHECK_STR(plain, "1g.5gb");
		CHECK_STR(media, "1g.5gb+me");
		CHECK_STR(shared, "1g.24gb");
	}
	catalog_free(&cat);
	return tap_done();
}
