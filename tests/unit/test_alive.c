/* SPDX-License-Identifier: AGPL-3.0-or-later */
#include "alive.h"
#include "cleanup.h"
#include "tap.h"

/* The reason, from a life that is dead but for what is given. */
#define WHY(...) alive_because(&(struct life){ \
	.age_ms = 300000, .grace_ms = 300000, __VA_ARGS__ })

int main(void)
{
	TEST("alive: dead is what nobody holds, runs, locks or has just begun") {
		AUTO_FREE char *why = WHY();

		CHECK_STR(why, NULL);
	}
	TEST("alive: each reason alone is enough, and is named") {
		AUTO_FREE char *locked = WHY(.locked = "PVE holds the lock of its config");
		AUTO_FREE char *qemu = WHY(.qemu = 42);
		AUTO_FREE char *open = WHY(.open_by = 43);

		CHECK_STR(locked, "PVE holds the lock of its config");
		CHECK_STR(qemu, "its QEMU runs (pid 42)");
		CHECK_STR(open, "process 43 has its vGPU open");
	}
	TEST("alive: a claim younger than start-grace, to the millisecond") {
		AUTO_FREE char *young = alive_because(&(struct life){ .age_ms = 299999, .grace_ms = 300000 });
		AUTO_FREE char *born = alive_because(&(struct life){ .age_ms = 0, .grace_ms = 300000 });
		AUTO_FREE char *old = alive_because(&(struct life){ .age_ms = 300000, .grace_ms = 300000 });

		CHECK_STR(young, "its start began 299 s ago (start-grace is 300 s)");
		CHECK_STR(born, "its start began 0 s ago (start-grace is 300 s)");
		CHECK_STR(old, NULL);
	}
	TEST("alive: without a grace, and without a claim, age says nothing") {
		AUTO_FREE char *none = alive_because(&(struct life){ .age_ms = 0, .grace_ms = 0 });
		AUTO_FREE char *unknown = alive_because(&(struct life){ .age_ms = -1, .grace_ms = 300000 });
		AUTO_FREE char *held = alive_because(&(struct life){ .age_ms = -1, .grace_ms = 300000, .locked = "PVE holds the lock of its config" });

		CHECK_STR(none, NULL);
		CHECK_STR(unknown, NULL);
		CHECK_STR(held, "PVE holds the lock of its config");
	}
	return tap_done();
}
