/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * claims.pml is the same for every VM, and for both GPUs: two states that differ in
 * their names alone have the same future. So each state is stored under one
 * name of all those that it has, the least of its images, and what has been seen
 * under another name is not searched again. The search itself goes on with the state
 * as it is; this is seen by the table of states alone.
 *
 * At the end it says for how many states those stored stand. tests/model/check
 * demands of two searches that this is the number that they find without symmetry.
 * Included at the end of pan.c, which it knows: `now`, pptr() and the processes' structs.
 */
#include <stdint.h>

#ifndef NVM
#define NVM		3
#endif

#define IMAGE_MAX	48
#define NGPU		2

static const uint8_t vm_orders[6][3] = {
	{ 1, 2, 3 }, { 2, 1, 3 }, { 1, 3, 2 }, { 3, 2, 1 }, { 2, 3, 1 }, { 3, 1, 2 },
};
#define NORDER	(NVM == 3 ? 6 : 2)

/* Processes in the order in which init starts them, after itself and world */
#define GC_PROCESS	((P1 *)pptr(2))
#define VM_PROCESS(i)	((P0 *)pptr(2 + (i)))

struct names {
	uint8_t vm[5];		/* of a VM; nobody (0) and others (4) keep theirs */
	uint8_t was[5];		/* the other way */
	uint8_t place[5];	/* of a place; none (4) keeps its */
	uint8_t place_was[4];
	uint8_t flip;		/* of a GPU: xor */
};

static void names_set(struct names *n, int order, int flip)
{
	n->vm[0] = n->was[0] = 0;
	n->vm[4] = n->was[4] = 4;
	n->vm[3] = n->was[3] = 3;
	for (int i = 0; i < NVM; i++) {
		n->was[i + 1] = vm_orders[order][i];
		n->vm[vm_orders[order][i]] = i + 1;
	}
	n->flip = flip;
	n->place[4] = 4;
	for (int p = 0; p < 4; p++) {
		n->place[p] = p ^ (flip << 1);
		n->place_was[p ^ (flip << 1)] = p;
	}
}

/* place + 1, or 0 */
static uint8_t place_1(const struct names *n, uint8_t p)
{
	return p ? n->place[p - 1] + 1 : 0;
}

/* All of a state but init and world, which have one state each once they run */
static int image(const struct names *n, uint8_t *to)
{
	uint8_t *t = to;

	for (int k = 0; k < 4; k++) {
		int p = n->place_was[k];

#ifdef LINES
		*t++ = n->vm[now.on[p]] | n->vm[now.line[p]] << 3 | now.holds[p] << 6;
#else
		*t++ = n->vm[now.on[p]];
#endif
#ifdef SELFCLEAN
		t[-1] |= now.due[p] << 7;
#endif
	}
	for (int k = 1; k <= NVM; k++) {
		int i = n->was[k];
		P0 *vm = VM_PROCESS(i);

		*t++ = vm->_p;
		*t++ = (vm->_p >> 8) | n->place[vm->p] << 2 | n->vm[now.vm_lock[i]] << 5;
		*t++ = place_1(n, now.at[i]) | now.qemu[i] << 3 | now.promised[i] << 6 | now.passed[i] << 7;
		*t++ = place_1(n, now.rec[i]) | now.begun[i] << 3 | now.cfg[i] << 4;
	}
	*t++ = n->vm[now.gpu_lock[0 ^ n->flip]] | n->vm[now.gpu_lock[1 ^ n->flip]] << 3 | now.last << 6;
	*t++ = GC_PROCESS->_p;
	/* At the end gc counts the VMs. */
	*t++ = (GC_PROCESS->v > 3 ? GC_PROCESS->v : n->vm[GC_PROCESS->v]) | n->place[GC_PROCESS->p] << 3 |
		(GC_PROCESS->_p >> 8) << 6;
#ifdef LINES
	*t++ = now.other_holds;
#endif
	return t - to;
}

static unsigned long stand_for;

#ifdef NO_SYMMETRY
#define IMAGES	1
#else
#define IMAGES	(NORDER * NGPU)
#endif
static struct names names[12];
static int equals;		/* images of the last state that are its least one */

static void say_stand_for(void)
{
	printf("%lu states, which those stored stand for, in %.0f MB\n", stand_for, memcnt / 1048576.);
}

/* What of a VM is the same under every name: only orders by it are looked at. */
static unsigned int rank(int i)
{
	return VM_PROCESS(i)->_p << 12 | now.qemu[i] << 8 | now.cfg[i] << 7 | (now.rec[i] != 0) << 6 |
		now.begun[i] << 5 | (now.vm_lock[i] != 0) << 4 | now.promised[i] << 3 | now.passed[i] << 2;
}

static int is_by_rank(const struct names *n, const unsigned int *ranks)
{
	return ranks[n->was[1]] <= ranks[n->was[2]] && (NVM < 3 || ranks[n->was[2]] <= ranks[n->was[3]]);
}

/* The name under which the state is stored; *len: its length */
static char *canonical(int *len)
{
	static uint8_t images[2][IMAGE_MAX + 16];
	unsigned int ranks[4] = { 0 };
	int least = 0, n = 0;

	if (!names[0].vm[4]) {
		for (int k = 0; k < NORDER * NGPU; k++)
			names_set(&names[k], k / NGPU, k % NGPU);
		atexit(say_stand_for);
	}
	/* Before init has started the others there is no more than that. */
	if (now._nr_pr < 3 + NVM) {
		*len = 1;
		equals = IMAGES;
		return "\377\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
	}
	for (int i = 1; i <= NVM; i++)
		ranks[i] = rank(i);
	equals = 0;
	for (int k = 0; k < IMAGES; k++) {
		int differs = -1;

		if (IMAGES > 1 && !is_by_rank(&names[k], ranks))
			continue;
		n = image(&names[k], images[!least]);
		if (equals)
			differs = memcmp(images[!least], images[least], n);
		if (differs < 0) {
			least = !least;
			equals = 1;
		} else {
			equals += differs == 0;
		}
	}
	*len = n;
	return (char *)images[least];
}

/* What h_store() of pan.c is for the state as it is. A new one stands for as many states as it has names. */
int store_symmetric(void)
{
	int len;
	char *as = canonical(&len);
	int known = h_store(as, len);

	if (!known)
		stand_for += IMAGES / equals;
	return known;
}
