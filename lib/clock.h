/* SPDX-License-Identifier: AGPL-3.0-or-later */
#ifndef CLOCK_H
#define CLOCK_H

#include <stdint.h>

/* Milliseconds since boot, time in suspend among them (CLOCK_BOOTTIME). */
int64_t clock_ms(void);

/* Seconds since 1970. */
int64_t clock_epoch(void);

void clock_sleep_ms(int ms);

#endif
