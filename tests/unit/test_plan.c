/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "node.h"
#include "plan.h"

static struct catalog cat;
static const struct vgpu_type *a24, *a8, *a48, *l8, *l48;
static const struct vgpu_type *a40[3], *l40s[2];

static void make_types(void)
{
	a40[0] = a24 = type_make(&cat, 575, "NVIDIA A40-24A", 2);
	a40[1] = a8 = type_make(&cat, 562, "NVIDIA A40-8Q", 6);
	a40[2] = a48 = type_make(&cat, 566, "NVIDIA A40-48Q", 1);
	l40s[0] = l8 = type_make(&cat, 1151, "NVIDIA L40S-8Q", 6);
	l40s[1] = l48 = type_make(&cat, 1155, "NVIDIA L40S-48Q", 1);
}

static void three_a40(struct inventory *inv)
{
	gpu_make(inv, "17:00.0", 8, a40, 3);
	gpu_make(inv, "65:00.0", 8, a40, 3);
	gpu_make(inv, "e8:00.0", 8, a40, 3);
}

/* The candidates' parents, "17:00.4 65:00.4", without domains; the types where there are several. */
static char *order(const struct inventory *inv, const struct want *w,
		   const struct refusal_list *refused)
{
	static const struct refusal_list none = { 0 };
	AUTO_PLAN struct plan p = { 0 };
	char *text = NULL;
	size_t len;
	FILE *f = xmemstream(&text, &len);

	plan_want(inv, w, refused ? refused : &none, &p);
	for (size_t i = 0; i < p.ncandidates; i++)
		fprintf(f, "%s%s%s%s", i ? " " : "",
			w->nchoices > 1 ? vgpu_type_name(p.candidates[i].type) : "",
			w->nchoices > 1 ? "@" : "", BDF_STR(&p.candidates[i].parent) + 5);
	fclose(f);
	return text;
}

#define CHECK_ORDER(inv, w, refused, want_text) do { \
	AUTO_FREE char *got_ = order((inv), (w), (refused)); \
	CHECK_STR(got_, (want_text)); \
} while (0)

static char *reasons(const struct inventory *inv, const struct want *w)
{
	static const struct refusal_list none = { 0 };
	AUTO_PLAN struct plan p = { 0 };

	plan_want(inv, w, &none, &p);
	return plan_reasons(&p, "");
}

#define CHECK_REASON(inv, w, part) do { \
	AUTO_FREE char *got_ = reasons((inv), (w)); \
	CHECK_HAS(got_, (part)); \
} while (0)

static void test_placement(void)
{
	TEST("plan: first takes the GPUs by address, on each the first free VF") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .choices = &a24, .nchoices = 1 };

		three_a40(&inv);
		vgpu_make(&inv, "65:00.0", "65:00.4", a24, 0);
		CHECK_ORDER(&inv, &w, NULL, "17:00.4 65:00.5 e8:00.4");
	}
	TEST("plan: spread takes the most room left, pack the least, and what is held before what is empty") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .choices = &a8, .nchoices = 1, .placement = PLACEMENT_SPREAD };

		three_a40(&inv);
		vgpu_make(&inv, "17:00.0", "17:00.4", a8, 0);
		vgpu_make(&inv, "17:00.0", "17:00.5", a8, 0);
		vgpu_make(&inv, "65:00.0", "65:00.4", a8, 0);
		CHECK_ORDER(&inv, &w, NULL, "e8:00.4 65:00.5 17:00.6");
		w.placement = PLACEMENT_PACK;
		CHECK_ORDER(&inv, &w, NULL, "17:00.6 65:00.5 e8:00.4");
	}
	TEST("plan: unlike boards are weighed by the room left in MiB") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		const struct vgpu_type *p8 = type_make(&cat, 50, "GRID P40-8Q", 3);
		const struct vgpu_type *p24 = type_make(&cat, 51, "GRID P40-24Q", 1);
		const struct vgpu_type *p40[] = { p8, p24 };
		const struct vgpu_type *both[] = { p8, a8 };
		struct want w = { .choices = both, .nchoices = 2, .placement = PLACEMENT_SPREAD };
		const struct vgpu_type *mixed_offer[] = { a8, p8, a48 };

		gpu_make(&inv, "17:00.0", 0, p40, 2);
		gpu_make(&inv, "65:00.0", 8, mixed_offer, 3);
		CHECK_ORDER(&inv, &w, NULL, "P40-8Q@65:00.4 P40-8Q@17:00.0 A40-8Q@65:00.4");
		w.placement = PLACEMENT_PACK;
		CHECK_ORDER(&inv, &w, NULL, "P40-8Q@17:00.0 P40-8Q@65:00.4 A40-8Q@65:00.4");
	}
	TEST("plan: distance breaks ties of placement, and the address those of distance") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .choices = &a8, .nchoices = 1 };

		three_a40(&inv);
		inv.gpus[0].distance = 21;
		inv.gpus[1].distance = inv.gpus[2].distance = 10;
		CHECK_ORDER(&inv, &w, NULL, "65:00.4 e8:00.4 17:00.4");
		w.placement = PLACEMENT_PACK;
		CHECK_ORDER(&inv, &w, NULL, "65:00.4 e8:00.4 17:00.4");
		vgpu_make(&inv, "17:00.0", "17:00.4", a8, 0);
		CHECK_ORDER(&inv, &w, NULL, "17:00.5 65:00.4 e8:00.4");
		w.placement = PLACEMENT_SPREAD;
		CHECK_ORDER(&inv, &w, NULL, "65:00.4 e8:00.4 17:00.5");
	}
}

static void test_choices(void)
{
	TEST("plan: every place for the first choice comes before any for the second") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		const struct vgpu_type *choices[] = { l8, a8 };
		struct want w = { .choices = choices, .nchoices = 2 };

		gpu_make(&inv, "17:00.0", 4, a40, 3);
		gpu_make(&inv, "65:00.0", 4, l40s, 2);
		CHECK_ORDER(&inv, &w, NULL, "L40S-8Q@65:00.4 A40-8Q@17:00.4");
		CHECK_REASON(&inv, &w, "L40S-8Q on 0000:17:00.0: does not offer L40S-8Q");
	}
}

static void test_restricted(void)
{
	TEST("plan: among some parents alone, and a GPU that has none of them is out") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct bdf among[] = { addr_of("17:00.6"), addr_of("e8:00.5"), addr_of("e8:00.7") };
		struct want w = { .vmid = 100, .choices = &a24, .nchoices = 1, .among = among, .namong = 3 };
		struct vgpu v = { .on_gpu = true, .gpu = addr_of("e8:00.0"), .parent = addr_of("e8:00.5"),
				  .type = a24->key };

		three_a40(&inv);
		CHECK_ORDER(&inv, &w, NULL, "17:00.6 e8:00.5");
		CHECK_REASON(&inv, &w, "A40-24A on 0000:65:00.0: none of its VFs is in the mapping");
		CHECK(want_is_served_by(&w, &v));
		v.parent = addr_of("e8:00.4");
		CHECK(!want_is_served_by(&w, &v));
		vgpu_make(&inv, "17:00.0", "17:00.6", a24, 0);
		CHECK_ORDER(&inv, &w, NULL, "e8:00.5");
		CHECK_REASON(&inv, &w, "A40-24A on 0000:17:00.0: none of its VFs that are in the mapping is free");
	}
	TEST("plan: a GPU whose VFs have no driver yet is no place, and that is the reason") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .vmid = 100, .choices = &a24, .nchoices = 1 };

		three_a40(&inv);
		inv.gpus[1].unbound = true;
		CHECK_ORDER(&inv, &w, NULL, "17:00.4 e8:00.4");
		CHECK_REASON(&inv, &w, "A40-24A on 0000:65:00.0: its VFs are not bound to a driver yet");
	}
	TEST("plan: what attaches mdevs alone has no place on vendor VFIO") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .vmid = 100, .choices = &a24, .nchoices = 1, .mdev_only = true };
		struct vgpu v = { .on_gpu = true, .framework = FRAMEWORK_NVIDIA_VFIO, .gpu = addr_of("65:00.0"),
				  .parent = addr_of("65:00.4"), .type = a24->key };

		three_a40(&inv);
		inv.gpus[1].framework = FRAMEWORK_NVIDIA_VFIO;
		CHECK_ORDER(&inv, &w, NULL, "17:00.4 e8:00.4");
		CHECK_REASON(&inv, &w, "A40-24A on 0000:65:00.0: is on vendor VFIO, and args attach mdevs alone");
		CHECK(!want_is_served_by(&w, &v));
		w.mdev_only = false;
		CHECK(want_is_served_by(&w, &v));
	}
}

static void test_empty_node(void)
{
	TEST("plan: an empty node has no candidates and no reasons") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .choices = &a24, .nchoices = 1 };
		AUTO_FREE char *why = reasons(&inv, &w);

		CHECK_ORDER(&inv, &w, NULL, "");
		CHECK_STR(why, "");
	}
}

static void test_limits(void)
{
	TEST("plan: another size on the GPU, and a full GPU, are out, with who holds it") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .vmid = 100, .choices = &a24, .nchoices = 1 };

		three_a40(&inv);
		vgpu_make(&inv, "17:00.0", "17:00.4", a8, 0);
		vgpu_make(&inv, "65:00.0", "65:00.4", a24, 101);
		vgpu_make(&inv, "65:00.0", "65:00.5", a24, 0);
		CHECK_ORDER(&inv, &w, NULL, "e8:00.4");
		CHECK_REASON(&inv, &w, "A40-24A on 0000:17:00.0: holds A40-8Q of 8192 MiB, and A40-24A has 24576 MiB");
		CHECK_REASON(&inv, &w, "A40-24A on 0000:65:00.0: full: 2 of 2 (vm 101, foreign)");
	}
	TEST("plan: more than four holders are counted") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .choices = &a8, .nchoices = 1 };

		gpu_make(&inv, "17:00.0", 8, a40, 3);
		for (int i = 4; i < 8; i++) {
			AUTO_FREE char *vf = xasprintf("17:00.%d", i);

			vgpu_make(&inv, "17:00.0", vf, a8, 0);
		}
		vgpu_make(&inv, "17:00.0", "17:01.0", a8, 0);
		vgpu_make(&inv, "17:00.0", "17:01.1", a8, 0);
		CHECK_REASON(&inv, &w, "full: 6 of 6 (foreign, foreign, foreign, foreign, 2 more)");
	}
	TEST("plan: with no limit known, the VFs are the limit") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		const struct vgpu_type *odd = type_make(&cat, 900, "NVIDIA Odd", 0);
		struct want w = { .choices = &odd, .nchoices = 1 };

		gpu_make(&inv, "17:00.0", 2, &odd, 1);
		CHECK_ORDER(&inv, &w, NULL, "17:00.4");
		vgpu_make(&inv, "17:00.0", "17:00.4", odd, 0);
		CHECK_ORDER(&inv, &w, NULL, "17:00.5");
		vgpu_make(&inv, "17:00.0", "17:00.5", odd, 0);
		CHECK_ORDER(&inv, &w, NULL, "");
		CHECK_REASON(&inv, &w, "full: none of its 2 VFs is free");
	}
}

static void test_guessed_limits(void)
{
	TEST("plan: a limit that is guessed can be asked about once all that counts is made, or is the VM's own") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		const struct vgpu_type *types[] = {
			type_make(&cat, 801, "NVIDIA A16-8C", 0), type_make(&cat, 802, "NVIDIA A16-16C", 0),
		};
		struct want w = { .vmid = 100, .index = 1, .choices = &types[1], .nchoices = 1, .ask = true };

		gpu_make(&inv, "17:00.0", 8, types, 2);
		vgpu_make(&inv, "17:00.0", "17:00.4", types[1], 101);
		inv.vgpus[0].exists = false;
		CHECK_ORDER(&inv, &w, NULL, "");
		CHECK_REASON(&inv, &w, "full: 1 of 1 (vm 101)");
		inv.vgpus[0].vmid = 100;
		CHECK_ORDER(&inv, &w, NULL, "17:00.5");
		inv.vgpus[0].vmid = 101;
		inv.vgpus[0].made = true;
		CHECK_ORDER(&inv, &w, NULL, "17:00.5");
		w.ask = false;
		CHECK_ORDER(&inv, &w, NULL, "");
	}
	TEST("plan: a list that was only seen beside a vGPU sets no limit") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		const struct vgpu_type *one[] = { type_make(&cat, 800, "NVIDIA A30-4C", 0) };
		struct want w = { .choices = one, .nchoices = 1 };

		gpu_make(&inv, "17:00.0", 8, one, 1);
		vgpu_make(&inv, "17:00.0", "17:00.4", one[0], 0);
		vgpu_make(&inv, "17:00.0", "17:00.5", one[0], 0);
		CHECK_ORDER(&inv, &w, NULL, "17:00.6");
	}
}

static void test_wanted_places(void)
{
	TEST("plan: GPUs that are not wanted are out, in a VM's words and in create's") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct bdf gpu = addr_of("65:00.0");
		struct want w = { .vmid = 100, .choices = &a24, .nchoices = 1, .gpus = &gpu, .ngpus = 1 };

		three_a40(&inv);
		CHECK_ORDER(&inv, &w, NULL, "65:00.4");
		CHECK_REASON(&inv, &w, "A40-24A on 0000:17:00.0, 0000:e8:00.0: left out by 'gpu ='");
		w.vmid = 0;
		CHECK_REASON(&inv, &w, "left out by --gpu");
	}
	TEST("plan: a pinned vGPU has one place, and no GPU but that counts") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = {
			.vmid = 100, .choices = &a24, .nchoices = 1, .pinned = true, .parent = addr_of("65:00.6"),
		};

		three_a40(&inv);
		CHECK_ORDER(&inv, &w, NULL, "65:00.6");
		vgpu_make(&inv, "65:00.0", "65:00.6", a24, 0);
		CHECK_ORDER(&inv, &w, NULL, "");
		CHECK_REASON(&inv, &w, "A40-24A on 0000:65:00.0: 0000:65:00.6 is taken");
		w.parent = addr_of("01:00.0");
		CHECK_ORDER(&inv, &w, NULL, "");
	}
	TEST("plan: two vGPUs of one VM are on different parents, two VMs share a PF") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .vmid = 100, .index = 1, .choices = &a8, .nchoices = 1 };

		gpu_make(&inv, "17:00.0", 0, a40, 3);
		gpu_make(&inv, "65:00.0", 0, a40, 3);
		vgpu_make(&inv, "17:00.0", "17:00.0", a8, 100);
		CHECK_ORDER(&inv, &w, NULL, "65:00.0");
		CHECK_REASON(&inv, &w, "gives vm 100 a vGPU already");
		w.vmid = 101;
		CHECK_ORDER(&inv, &w, NULL, "17:00.0 65:00.0");
		w.vmid = 0;
		CHECK_ORDER(&inv, &w, NULL, "17:00.0 65:00.0");
	}
}

static void test_doubt(void)
{
	struct bdf gpu = addr_of("17:00.0");

	TEST("plan: a GPU with another size is a candidate for those who can ask, behind the certain ones") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_REFUSALS struct refusal_list told = { 0 };
		struct want w = { .choices = &a8, .nchoices = 1, .ask = true };

		three_a40(&inv);
		vgpu_make(&inv, "17:00.0", "17:00.4", a24, 0);
		CHECK_ORDER(&inv, &w, NULL, "65:00.4 e8:00.4 17:00.5");
		size_answer_add(&told, &gpu, a8, false);
		CHECK_ORDER(&inv, &w, &told, "65:00.4 e8:00.4");
		told.sizes[0].yes = true;
		w.ask = false;
		CHECK_ORDER(&inv, &w, &told, "65:00.4 e8:00.4 17:00.5");
		CHECK_ORDER(&inv, &w, NULL, "65:00.4 e8:00.4");
		CHECK_REASON(&inv, &w, "are of equal size (unless it is in mixed-size mode)");
		w.choices = &a48;
		CHECK_REASON(&inv, &w, "and A40-48Q has 49152 MiB: the vGPUs on one GPU are of equal size");
	}
	TEST("plan: doubt of the mode, doubt for a claim alone, and none where two sizes are there") {
		static const struct refusal_list none = { 0 };
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_PLAN struct plan first = { 0 }, second = { 0 }, own = { 0 }, third = { 0 };
		struct want w = { .vmid = 101, .choices = &a8, .nchoices = 1, .ask = true };

		gpu_make(&inv, "17:00.0", 8, a40, 3);
		vgpu_make(&inv, "17:00.0", "17:00.4", a24, 100);
		plan_want(&inv, &w, &none, &first);
		CHECK_NUM(first.candidates[0].doubt, DOUBT_MODE);
		CHECK_NUM(first.candidates[0].room, 3);
		inv.vgpus[0].exists = false;
		plan_want(&inv, &w, &none, &second);
		CHECK_NUM(second.candidates[0].doubt, DOUBT_CLAIM);
		inv.vgpus[0].vmid = 101;
		plan_want(&inv, &w, &none, &own);
		CHECK_NUM(own.candidates[0].doubt, DOUBT_MODE);
		inv.vgpus[0].made = true;
		vgpu_make(&inv, "17:00.0", "17:00.5", a8, 102);
		w.ask = false;
		plan_want(&inv, &w, &none, &third);
		CHECK_NUM(third.candidates[0].doubt, DOUBT_NONE);
		CHECK_NUM(third.candidates[0].room, 2);
	}
}

static void test_several_sizes(void)
{
	TEST("plan: on a GPU of several sizes memory is the limit, not max_instance") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		struct want w = { .choices = &a24, .nchoices = 1 };

		gpu_make(&inv, "17:00.0", 8, a40, 3);
		vgpu_make(&inv, "17:00.0", "17:00.4", a8, 100);
		vgpu_make(&inv, "17:00.0", "17:00.5", type_make(&cat, 558, "NVIDIA A40-1Q", 32), 101);
		vgpu_make(&inv, "17:00.0", "17:00.6", a8, 102);
		CHECK_ORDER(&inv, &w, NULL, "17:00.7");
		vgpu_make(&inv, "17:00.0", "17:00.7", a8, 102);
		CHECK_ORDER(&inv, &w, NULL, "");
		CHECK_REASON(&inv, &w, "full: 25600 of 49152 MiB (vm 100, vm 101, vm 102, vm 102)");
	}
	TEST("plan: the doubtful of the first choice come before the second choice") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		const struct vgpu_type *choices[] = { a8, a24 };
		struct want w = { .choices = choices, .nchoices = 2, .ask = true, .placement = PLACEMENT_PACK };

		gpu_make(&inv, "17:00.0", 4, a40, 3);
		gpu_make(&inv, "65:00.0", 4, a40, 3);
		vgpu_make(&inv, "17:00.0", "17:00.4", a24, 0);
		CHECK_ORDER(&inv, &w, NULL, "A40-8Q@65:00.4 A40-8Q@17:00.5 A40-24A@17:00.5 A40-24A@65:00.4");
	}
	TEST("plan: beside MIG-backed vGPUs a time-sliced type is in no doubt") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		const struct vgpu_type *types[] = {
			type_make(&cat, 474, "GRID A100-1-5C", 7), type_make(&cat, 477, "GRID A100-2-10C", 3),
			type_make(&cat, 471, "GRID A100-20C", 2), type_make(&cat, 472, "GRID A100-40C", 1),
		};
		struct want w = { .choices = &types[2], .nchoices = 1, .ask = true };

		/* By memory one more has room beside them. */
		gpu_make(&inv, "17:00.0", 8, types, 4);
		vgpu_make(&inv, "17:00.0", "17:00.4", types[0], 100);
		CHECK_ORDER(&inv, &w, NULL, "");
		CHECK_REASON(&inv, &w, "are of equal size");
		vgpu_make(&inv, "17:00.0", "17:00.5", types[1], 101);
		CHECK_ORDER(&inv, &w, NULL, "");
		CHECK_REASON(&inv, &w, "are of equal size");
	}
}

static void test_refused_parents(void)
{
	struct bdf gpu = addr_of("17:00.0"), vf = addr_of("17:00.4");

	TEST("plan: a parent that refused is passed over, and its GPU comes last") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_REFUSALS struct refusal_list refused = { 0 };
		struct want w = { .choices = &a24, .nchoices = 1 };

		three_a40(&inv);
		refusal_add(&refused, &gpu, &vf, false, a24, "Input/output error");
		CHECK_ORDER(&inv, &w, &refused, "65:00.4 e8:00.4 17:00.5");
		w.choices = &a8;
		CHECK_ORDER(&inv, &w, &refused, "17:00.4 65:00.4 e8:00.4");
	}
	TEST("plan: parents that are shunned come when no other is left, on this GPU and over all") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_REFUSALS struct refusal_list refused = { 0 };
		AUTO_PLAN struct plan p = { 0 };
		struct want w = { .choices = &a24, .nchoices = 1 };
		struct bdf second = addr_of("17:00.5");

		gpu_make(&inv, "17:00.0", 3, a40, 3);
		gpu_make(&inv, "65:00.0", 1, a40, 3);
		refusal_shun(&refused, &vf);
		CHECK_ORDER(&inv, &w, &refused, "17:00.5 65:00.4");
		refusal_shun(&refused, &second);
		vgpu_make(&inv, "17:00.0", "17:00.6", a24, 0);
		CHECK_ORDER(&inv, &w, &refused, "65:00.4 17:00.4");
		refusal_add(&refused, &gpu, &vf, false, a24, "nothing");
		refusal_add(&refused, &gpu, &second, false, a24, "nothing");
		refused.r[0].nothing = refused.r[1].nothing = true;
		plan_want(&inv, &w, &refused, &p);
		CHECK_STR(p.outs[0].why, "2 of its 3 VFs took the create and made nothing, the last one 0000:17:00.5");
	}
}

static void test_refused_gpu(void)
{
	struct bdf gpu = addr_of("17:00.0"), vf = addr_of("17:00.4");

	TEST("plan: a refusal for the whole GPU takes it out for that type alone") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_REFUSALS struct refusal_list refused = { 0 };
		AUTO_PLAN struct plan p = { 0 };
		struct want w = { .choices = &a24, .nchoices = 1 };

		gpu_make(&inv, "17:00.0", 4, a40, 3);
		refusal_add(&refused, &gpu, &vf, true, a24, "no room");
		plan_want(&inv, &w, &refused, &p);
		CHECK_NUM(p.ncandidates, 0);
		CHECK_NUM(p.nouts, 1);
		CHECK_STR(p.outs[0].why, "refused: no room");
		w.choices = &a8;
		CHECK_ORDER(&inv, &w, &refused, "17:00.4");
	}
	TEST("plan: where every parent refused, the last refusal is the reason") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_REFUSALS struct refusal_list refused = { 0 };
		AUTO_PLAN struct plan p = { 0 };
		struct want w = { .choices = &a24, .nchoices = 1 };
		struct bdf second = addr_of("17:00.5");

		gpu_make(&inv, "17:00.0", 2, a40, 3);
		refusal_add(&refused, &gpu, &vf, false, a24, "first");
		refusal_add(&refused, &gpu, &second, false, a24, "second");
		plan_want(&inv, &w, &refused, &p);
		CHECK_NUM(p.ncandidates, 0);
		CHECK_STR(p.outs[0].why, "0000:17:00.5 refused: second");
	}
}

static void test_vgpu(void)
{
	TEST("plan_vgpu: a VM's gets qemu-server's UUID on mdev, none elsewhere") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		AUTO_PLAN struct plan p = { 0 };
		static const struct refusal_list none = { 0 };
		struct want w = { .vmid = 100, .index = 1, .choices = &a24, .nchoices = 1 };
		struct vgpu v;

		three_a40(&inv);
		plan_want(&inv, &w, &none, &p);
		plan_vgpu(&p.candidates[0], &w, &v);
		CHECK_STR(v.uuid, "00000001-0000-0000-0000-000000000100");
		CHECK_STR(v.type, "nvidia-575");
		CHECK_NUM(v.owner, OWNER_VM);
		CHECK(!v.exists);
		CHECK(want_is_served_by(&w, &v));
		w.choices = &a8;
		CHECK(!want_is_served_by(&w, &v));
		vgpu_clear(&v);
		inv.gpus[0].framework = FRAMEWORK_NVIDIA_VFIO;
		w.vmid = 0;
		plan_vgpu(&p.candidates[0], &w, &v);
		CHECK_STR(v.uuid, "");
		CHECK_NUM(v.owner, OWNER_STANDALONE);
		vgpu_clear(&v);
	}
	TEST("want_is_served_by: only where the vGPU may be") {
		struct bdf gpu = addr_of("17:00.0");
		struct want w = { .choices = &a24, .nchoices = 1, .gpus = &gpu, .ngpus = 1 };
		char key[] = "nvidia-575";
		struct vgpu v = { .on_gpu = true, .gpu = addr_of("65:00.0"), .type = key };

		CHECK(!want_is_served_by(&w, &v));
		v.gpu = gpu;
		CHECK(want_is_served_by(&w, &v));
		w.pinned = true;
		w.parent = addr_of("17:00.4");
		CHECK(!want_is_served_by(&w, &v));
		v.parent = w.parent;
		CHECK(want_is_served_by(&w, &v));
		v.on_gpu = false;
		CHECK(!want_is_served_by(&w, &v));
	}
}

int main(void)
{
	make_types();
	test_placement();
	test_choices();
	test_restricted();
	test_empty_node();
	test_limits();
	test_guessed_limits();
	test_wanted_places();
	test_doubt();
	test_several_sizes();
	test_refused_parents();
	test_refused_gpu();
	test_vgpu();
	catalog_free(&cat);
	return tap_done();
}
