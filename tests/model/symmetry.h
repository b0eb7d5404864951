/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * claims.pml is the same for every VM, for both GPUs and for both places of each: two
 * states that differ in their names alone have the same future. So each state is
 * stored under one name of all those that it has, the least of its images, and what
 * has been seen under another name is not searched again. The search itself goes on with
 * the state as it is; this is seen by the table of states alone.
 *
 * Under given names of the VMs the least image is that with the places of each GPU, and then
 * the GPUs, in order of all that is known of them; so only orders of VMs are tried.
 *
 * What comes after `last` is a few steps of gc's, from a state that is stored, without
 * anybody else: those are walked through and not stored.
 *
 * At the end it says for how many states those stored stand. tests/model/check
 * demands of two searches that this is the number that they find without symmetry.
 * Included at the end of pan.c, which it knows: `now`, pptr() and the processes' structs.
 */
#include <stdint.h>

#ifndef NVM
#define NVM		3
#endif
#define NORDER		(NVM == 3 ? 6 : 2)
#define NPLACES		4
#define NGPU		2
#define PLACE_NAMES	8	/* ways to name the places: both GPUs, and both places of each */

static const uint8_t vm_orders[6][3] = {
	{ 1, 2, 3 }, { 2, 1, 3 }, { 1, 3, 2 }, { 3, 2, 1 }, { 2, 3, 1 }, { 3, 1, 2 },
};

/* Processes in the order in which init starts them, after itself and world */
#define GC_PROCESS	((P1 *)pptr(2))
#define VM_PROCESS(i)	((P0 *)pptr(2 + (i)))

struct names {
	uint8_t vm[6];		/* of a VM; nobody (0), others (4) and lost (5) keep theirs */
	uint8_t was[4];		/* the other way */
};

static void names_set(struct names *n, int order)
{
	for (int i = 0; i < 6; i++)
		n->vm[i] = i;
	for (int i = 0; i < NVM; i++) {
		n->was[i + 1] = vm_orders[order][i];
		n->vm[vm_orders[order][i]] = i + 1;
	}
}

/* All that refers to a place, but for whose lock its GPU has */
struct place {
	uint8_t on, line, holds, due;
	uint8_t rec[4], at[4], p[4], gc;	/* by VM */
};

static struct place places[NPLACES];

static void places_read(void)
{
	memset(places, 0, sizeof(places));
	for (int p = 0; p < NPLACES; p++) {
		struct place *l = &places[p];

		l->on = now.on[p];
#ifdef LINES
		/* A line that has lapsed counts where something is. */
		if (now.holds[p] || now.on[p])
			l->line = now.line[p];
		l->holds = now.holds[p];
#endif
#ifdef SELFCLEAN
		l->due = now.due[p];
#endif
		l->gc = GC_PROCESS->p == p;
	}
	for (int i = 1; i <= NVM; i++) {
		if (now.rec[i])
			places[now.rec[i] - 1].rec[i] = 1;
		if (now.at[i])
			places[now.at[i] - 1].at[i] = 1;
		if (VM_PROCESS(i)->p < NPLACES)
			places[VM_PROCESS(i)->p].p[i] = 1;
	}
}

static uint32_t place_image(const struct names *n, const struct place *l)
{
	uint32_t image = n->vm[l->on] | n->vm[l->line] << 3 | l->holds << 6 | l->due << 8 | l->gc << 9;

	for (int i = 1; i <= NVM; i++)
		image |= (l->rec[i] | l->at[i] << 3 | l->p[i] << 6) << (9 + n->vm[i]);
	return image;
}

struct gpu {
	uint32_t lock, place[2];
};

static void swap(uint32_t *a, uint32_t *b)
{
	uint32_t t = *a;

	*a = *b;
	*b = t;
}

/* Those of both GPUs, in order; returns how many ways to name the places lead to it. */
static int gpus_image(const struct names *n, struct gpu *g)
{
	int ways = 1, differs;

	for (int k = 0; k < NGPU; k++) {
		g[k].lock = n->vm[now.gpu_lock[k]];
		g[k].place[0] = place_image(n, &places[2 * k]);
		g[k].place[1] = place_image(n, &places[2 * k + 1]);
#ifndef NO_SYMMETRY
		if (g[k].place[0] > g[k].place[1])
			swap(&g[k].place[0], &g[k].place[1]);
		ways *= 1 + (g[k].place[0] == g[k].place[1]);
#endif
	}
#ifndef NO_SYMMETRY
	differs = memcmp(&g[0], &g[1], sizeof(*g));
	if (differs > 0)
		for (int k = 0; k < 3; k++)
			swap(&(&g[0].lock)[k], &(&g[1].lock)[k]);
	ways *= 1 + !differs;
#endif
	return ways;
}

#define VM_IMAGE	3
#define PLACE_IMAGE	3
#define IMAGE		(NVM * VM_IMAGE + NPLACES * PLACE_IMAGE + 4)

/* All of a state but init and world, which have one state each once they run */
static int image(const struct names *n, uint8_t *to)
{
	struct gpu g[NGPU];
	uint8_t *t = to;
	int ways = gpus_image(n, g);

	for (int k = 1; k <= NVM; k++) {
		int i = n->was[k];
		P0 *vm = VM_PROCESS(i);

		*t++ = vm->_p;
		*t++ = now.qemu[i] | n->vm[now.vm_lock[i]] << 3 | now.promised[i] << 6 | now.cfg[i] << 7;
		*t = now.begun[i] | (vm->_p >> 8) << 2;
#if defined(LOST) && !defined(MARKED)
		*t |= now.lost[i] << 1;
#endif
		t++;
	}
	for (int p = 0; p < NPLACES; p++)
		for (int k = 0; k < PLACE_IMAGE; k++)
			*t++ = g[p / 2].place[p % 2] >> 8 * k;
	*t++ = g[0].lock | g[1].lock << 3;
	*t++ = GC_PROCESS->_p;
	*t++ = GC_PROCESS->_p >> 8;
	*t = n->vm[GC_PROCESS->v];
#ifdef LINES
	*t |= now.other_holds << 3;
#endif
#ifdef LOST_ONCE
	*t |= now.was_lost << 4;
#endif
	return ways;
}

static unsigned long stored, stand_for;
static struct names names[NORDER];
static int equals;		/* names of the last state under which it is its least image */

#ifdef NO_SYMMETRY
#define IMAGES	1
#else
#define IMAGES	(NORDER * PLACE_NAMES)
#endif

static void say_stand_for(void)
{
	printf("%lu states for %lu in %.0f MB\n", stored, stand_for, memcnt / 1048576.);
}

/* What of a VM is the same under every name: only orders by it are looked at. */
static uint64_t rank(int i)
{
	uint64_t r = VM_PROCESS(i)->_p << 12 | now.qemu[i] << 8 | now.cfg[i] << 7 | (now.rec[i] != 0) << 6 |
		now.begun[i] << 5 | (now.vm_lock[i] != 0) << 4 | now.promised[i] << 3;
	uint64_t sum = 0;

	for (int p = 0; p < NPLACES; p++) {
		const struct place *l = &places[p];
		uint64_t f = (l->on == i) | (l->line == i) << 1 | (l->line && l->line != i) << 2 | l->holds << 3 | l->rec[i] << 5 |
			l->at[i] << 6 | (l->on && l->on != i) << 7 | l->p[i] << 8;

		sum += f * f * f;
	}
	return r << 32 | (sum & 0xffffffff);
}

static int is_by_rank(const struct names *n, const uint64_t *ranks)
{
	return ranks[n->was[1]] <= ranks[n->was[2]] && (NVM < 3 || ranks[n->was[2]] <= ranks[n->was[3]]);
}

/* The name under which the state is stored; *len: its length */
static char *canonical(int *len)
{
	static uint8_t images[2][IMAGE + 16];
	uint64_t ranks[4] = { 0 };
	int least = 0;

	if (!names[0].vm[4]) {
		for (int k = 0; k < NORDER; k++)
			names_set(&names[k], k);
		atexit(say_stand_for);
	}
	/* Before init has started the others there is no more than that. */
	if (now._nr_pr < 3 + NVM) {
		*len = 1;
		equals = IMAGES;
		return "\377\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	}
	places_read();
	for (int i = 1; i <= NVM; i++)
		ranks[i] = rank(i);
	equals = 0;
	for (int k = 0; k < (IMAGES == 1 ? 1 : NORDER); k++) {
		int differs = -1, ways;

		if (IMAGES > 1 && !is_by_rank(&names[k], ranks))
			continue;
		ways = image(&names[k], images[!least]);
		if (equals)
			differs = memcmp(images[!least], images[least], IMAGE);
		if (differs < 0) {
			least = !least;
			equals = ways;
		} else if (differs == 0) {
			equals += ways;
		}
	}
	*len = IMAGE;
	return (char *)images[least];
}

/* What h_store() of pan.c is for the state as it is. A new one stands for as many states as it has names. */
int store_symmetric(void)
{
	int len, known;
	char *as;

	if (now.last)
		return 0;
	as = canonical(&len);
	known = h_store(as, len);
	if (!known) {
		stored++;
		stand_for += IMAGES / equals;
	}
	return known;
}
