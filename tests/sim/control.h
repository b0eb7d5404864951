/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What the files under .sim steer: counts, faults, delays, open vGPUs.
 *
 * Has a lock of its own for counts, faults, delays and rules, so that an
 * operation that matches nothing costs next to nothing.
 */
#ifndef SIM_CONTROL_H
#define SIM_CONTROL_H

#include "model.h"

enum op { OP_READ, OP_WRITE };

enum control {
	CTL_OPS, CTL_FAULT, CTL_DELAY, CTL_OPEN, CTL_SELFCLEAN, CTL_VANISH,
	CTL_ERRNO, CTL_VFS, CTL_DRIVER, CTL_TYPES, CTL_HANG, CTL_VGPUS, CTL_MAX
};

extern const char *const control_names[CTL_MAX];

#define FAULT_LOST	(-1)

/* The number of EBUSY and the like; FAULT_LOST for LOST; 0: unknown. */
int errno_by_name(const char *name);

/* Counts an operation on the attribute with this index and name. */
void control_count(enum op op, unsigned int attr);

/* False as long as no fault, delay or hang is armed: no path is needed. */
bool control_armed(void);

/* Takes one off a fault that matches: errno, FAULT_LOST or 0. */
int control_take_fault(enum op op, const char *path);
unsigned int control_delay_ms(const char *path);

/*
 * Whether operations on this path hang. control_hang() counts one more that
 * does, control_unhang() takes one off that was let go of; what hangs no more
 * because the rule is gone has gone with it.
 */
bool control_hangs(const char *path);
bool control_hang(const char *path);
void control_unhang(const char *path);

/* The text of a control file, to be freed; NULL: no memory. */
char *control_read(struct sim *sim, enum control c);

/* 0 or -errno. Takes sim->lock itself. */
int control_write(struct sim *sim, enum control c, char *text);

#endif
