/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* What the mdev framework says of a type: directory, name, description, a line each. */
#include "fuzz.h"
#include "guest_data.h"
#include "mig_room.h"
#include "vgpu_type.h"

/* On a GPU that offers this type alone. */
static void judge_mig(const struct vgpu_type *t)
{
	struct offer offer = { .type = t };
	struct gpu g = { .offers = &offer, .noffers = 1 };
	AUTO_FREE char *profile = NULL;

	if (!vgpu_type_is_mig(t))
		return;
	mig_shares(&g);
	profile = mig_profile_of(&g, t);
	mig_count_of(&g, t);
}

FUZZ(text, len)
{
	const char *rest = text;
	AUTO_FREE char *dir = fuzz_line(&rest);
	AUTO_FREE char *name = fuzz_line(&rest);
	unsigned int number = 0, again = 0;
	AUTO_FREE char *key = vgpu_type_key(dir, &number);
	AUTO_FREE char *same = vgpu_type_key(key, &again);
	struct vgpu_type t = { .key = key, .number = number, .full_name = name };

	(void)len;
	must_equal(same, key, "the key of a key is the key");
	must(again == number, "the number of a key is the number");
	if (number) {
		AUTO_FREE char *nvidia = vgpu_type_nvidia_key(number);

		must_equal(nvidia, key, "a number of NVIDIA's has NVIDIA's key");
	}
	must(strlen(vgpu_type_id(&t)) <= strlen(key), "the id is part of the key");
	must(strlen(vgpu_type_name(&t)) <= strlen(name), "the friendly name is part of the name");
	must(vgpu_type_board_len(&t) <= strlen(name), "the board is part of the name");
	must(vgpu_type_same_board(&t, &t), "a type is of its own board");
	vgpu_type_mib_of_name(name);
	guest_series(vgpu_type_name(&t));
	vgpu_type_describe(&t, rest);
	judge_mig(&t);
}
