/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "boards.h"
#include "node.h"

static struct catalog cat;

/* Whether a GPU with this one type is of that board. */
static bool is_board(const char *type, const char *board)
{
	static unsigned int number = 100;
	AUTO_INVENTORY struct inventory inv = { 0 };
	const struct vgpu_type *t = type_make(&cat, number++, type, 1);

	gpu_make(&inv, "17:00.0", 4, &t, 1);
	return gpu_is_board(inv.gpus, board);
}

int main(void)
{
	TEST("board_is_name: letters, digits and joints, and a letter among them") {
		CHECK(board_is_name("A40") && board_is_name("RTX6000-Ada") && board_is_name("RTX Pro 6000_DC"));
		CHECK(!board_is_name("") && !board_is_name("42") && !board_is_name("3b:00") && !board_is_name("3b:00.0"));
		CHECK(!board_is_name("../x") && !board_is_name("A40*") && !board_is_name("A\xc3\xa4"));
	}
	TEST("gpu_is_board: what stands before the size, in any case, with any of its words before it") {
		CHECK(is_board("NVIDIA A40-24A", "A40"));
		CHECK(is_board("NVIDIA A40-24A", "a40"));
		CHECK(is_board("NVIDIA A40-24A", "NVIDIA A40"));
		CHECK(is_board("NVIDIA A40-24A", "nvidia_a40"));
		CHECK(is_board("NVIDIA RTX6000-Ada-48Q", "RTX6000-Ada"));
		CHECK(is_board("NVIDIA RTX6000-Ada-48Q", "RTX6000 Ada"));
		CHECK(is_board("NVIDIA RTX Pro 6000 Blackwell DC-48C", "DC"));
		CHECK(is_board("NVIDIA RTX Pro 6000 Blackwell DC-48C", "RTX Pro 6000 Blackwell DC"));
		CHECK(is_board("GRID A100-1-5C", "A100"));
		CHECK(is_board("GRID A100-1-5CME", "A100"));
		CHECK(is_board("GRID P40-2B4", "P40"));
		CHECK(is_board("GVTg_V5_4", "GVTg_V5_4"));
	}
	TEST("gpu_is_board: no part of a word, no size, no other board") {
		CHECK(!is_board("NVIDIA A40-24A", "A4"));
		CHECK(!is_board("NVIDIA A40-24A", "40"));
		CHECK(!is_board("NVIDIA A40-24A", "A40-24A"));
		CHECK(!is_board("NVIDIA A40-24A", "NVIDIA"));
		CHECK(!is_board("NVIDIA A40-24A", ""));
		CHECK(!is_board("NVIDIA A40-24A", "GRID NVIDIA A40"));
		CHECK(!is_board("NVIDIA RTX6000-Ada-48Q", "Ada"));
		CHECK(!is_board("GRID RTX6000P-6Q", "RTX6000"));
		CHECK(!is_board("GRID A100D-1-10C", "A100"));
	}
	TEST("boards_list: each once, by its last word") {
		AUTO_INVENTORY struct inventory inv = { 0 };
		const struct vgpu_type *types[] = {
			type_make(&cat, 575, "NVIDIA A40-24A", 2), type_make(&cat, 562, "NVIDIA A40-8Q", 6),
			type_make(&cat, 1500, "NVIDIA RTX Pro 6000 Blackwell DC-48C", 2),
		};
		AUTO_FREE char *none = boards_list(&inv);

		gpu_make(&inv, "17:00.0", 4, types, 2);
		gpu_make(&inv, "65:00.0", 4, types, 3);

		AUTO_FREE char *both = boards_list(&inv);

		CHECK_STR(none, "");
		CHECK_STR(both, "A40, DC");
	}
	catalog_free(&cat);
	return tap_done();
}
