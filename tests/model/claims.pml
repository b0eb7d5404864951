/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What keeps several VMs from each other: three VMs that start and stop as they
 * like, two GPUs with two places each, one gc, vGPUs made by hand, one on a GPU at a
 * time, and anything of pve-vgpu killed before any step. Claim, create, launch, release
 * and gc are always there; the rest is asked for:
 * ADOPT	a start takes over what its VM has from before, or clears it
 * SELFCLEAN	the driver, or qemu-server, removes what QEMU has let go of (mdev)
 * LOST		records are lost; with LOST_ONCE one is, once, and one whose vGPU is there
 * UNSEEN	QEMU is launched and not seen yet, is seen and has nothing open yet,
 *		is not seen any more and still has it open; and start-grace
 * LINES	PVE's reservations, its own clean-up by them, post-start, and another VM of PVE's
 *		without pve-vgpu, which is all that is made by hand then (vendor VFIO)
 * Without UNSEEN, QEMU is launched, is seen and has its vGPU open in one step.
 * With MARKED a vGPU shows whose it is, as an mdev's UUID does; without, it shows
 * that it is there alone, as a vendor VF does, and the record has "created".
 *
 * No VM, no GPU and no place of a GPU differs from another but by its name, and no step
 * may make them differ: symmetry.h stores each state under one of its names. So a claim is of
 * any free place, the last pass of gc takes the VMs in any order, and what is no place is NOWHERE.
 *
 * atomic is what happens at once: one system call that others see, together with
 * - what nobody changes but the holder of the VM's lock: its record and "created",
 * - what the node lock keeps still: no record is added, and what is made is made
 *   at a place that has one, or by hand (MAY_MAKE),
 * - the locks: one that is taken later, or let go of earlier, shows others
 *   nothing but a wait, and whoever is killed lets go of all; so a task of PVE's begins when the
 *   hook has the VM's lock (BEGIN), and one whose QEMU has ended while it waited for it ends with it,
 * - LINES: PVE's lock of its reservations, held over the last look at them and the write; the
 *   VM's lock, phase and line of a post-start; the look whether anybody has open what is adopted,
 *   and the line of the VF that the record named before.
 */
#ifndef NVM
#define NVM	3
#endif
#define NPLACE	4
#define GPU(p)	((p) / 2)
#define NOWHERE	4		/* no place */
#define OTHER	4		/* the maker of what is not ours, an owner without pve-vgpu; as a holder of locks: gc */
#define GC	4
#define NOBODYS	5		/* made for a VM, on a vendor VF of which its record is lost, or which it has given up (LOST) */

byte on[NPLACE];		/* who made what is there: with MARKED pve-vgpu sees it, else != 0 alone */
byte at[4];			/* place + 1 of the VM's QEMU; 0: no QEMU */
byte qemu[4];
#define NO_QEMU	0
#define LAUNCHED 1		/* forked; no pid file, nothing open */
#define SEEN	2		/* by pid file and command line */
#define HOLDS	3		/* SEEN, and has the vGPU open */
#define EXITING	4		/* not seen any more, and still has it open */
bit promised[4];		/* pre-start has promised a vGPU, and QEMU is not launched yet */
bit cfg[4];			/* PVE's lock of the VM's config: its task is at work */
byte vm_lock[4], gpu_lock[2];	/* the node lock is held within one step alone */
byte rec[4];			/* place + 1; 0: no record */
bit begun[4];			/* "created" of the record */
#ifdef LOST_ONCE
bit was_lost;
#endif
#if defined(LOST) && !defined(MARKED)
bit lost[4];			/* the record of a VM with a QEMU is */
#endif
bit last;			/* nobody but gc does anything any more */
bit passed[4];			/* by then gc has looked at the VM */
#ifdef SELFCLEAN
bit due[NPLACE];		/* QEMU has let go of it a moment ago: the driver may remove it itself */
#define NOT_DUE(p)	due[p] = 0
#define IS_DUE(p)	due[p]
#else
#define NOT_DUE(p)	skip
#define IS_DUE(p)	false
#endif
/* PVE's reservations: a line of OTHER is that of a VM without pve-vgpu. */
#ifdef LINES
byte line[NPLACE];
byte holds[NPLACE];		/* 0: lapsed */
#define TIMED	1
#define BY_PID	2
bit other_holds;		/* the other VM's QEMU has it open */
#define OTHERS(p)	(line[p] == OTHER)
#define OPEN_BY_OTHER(p) (other_holds && OTHERS(p))
#define LINE_OF_OTHER(i, p) (line[p] && line[p] != (i) && holds[p])
#define SET_LINE(i, p)	line[p] = i; holds[p] = TIMED
#define DROP_LINE(i, p)	if :: line[p] == i -> line[p] = 0; holds[p] = 0 :: else fi
#else
#define OPEN_BY_OTHER(p) false
#define LINE_OF_OTHER(i, p) false
#endif

#define VISIBLE(i)	(qemu[i] == SEEN || qemu[i] == HOLDS)
#define HAS(i, p)	(qemu[i] >= HOLDS && at[i] == (p) + 1)
#define OPEN(p)		(HAS(1, p) || HAS(2, p) || HAS(3, p) || OPEN_BY_OTHER(p))
#define HAS_MADE(i)	(rec[i] != 0 && BEGUN(i) && PRESENT(i, rec[i] - 1))
#ifdef MARKED
#define PRESENT(i, p)	(on[p] == (i))
#define BEGUN(i)	true
#define MADE_FOR(i)	(on[0] == i || on[1] == i || on[2] == i || on[3] == i)
#define PLACE_OF(i)	(on[0] == i -> 0 : (on[1] == i -> 1 : (on[2] == i -> 2 : 3)))
#define MAY_MAKE(p)	(on[p] == 0)
#define THERE(i)	MADE_FOR(i)
#define THERE_AT(i)	PLACE_OF(i)
#else
#define PRESENT(i, p)	(on[p] != 0)
#ifdef ADOPT_CLAIMED
#define BEGUN(i)	true
#else
#define BEGUN(i)	begun[i]
#endif
#define MADE_FOR(i)	false
#define PLACE_OF(i)	0
#define THERE(i)	HAS_MADE(i)
#define THERE_AT(i)	(rec[i] - 1)
#ifdef BLIND_ADMIN
#define MAY_MAKE(p)	(on[p] == 0)
#else
/* Whoever looked before the record was there may still come, until the VM looks itself. */
#define MAY_MAKE(p)	(on[p] == 0 && !BEGUN_AT(p) && (!RECORDED(p) || gpu_lock[GPU(p)] == 0))
#endif
#endif
#define RECORDED(p)	(rec[1] == (p) + 1 || rec[2] == (p) + 1 || rec[3] == (p) + 1)
#define BEGUN_AT(p) \
	((begun[1] && rec[1] == (p) + 1) || (begun[2] && rec[2] == (p) + 1) || (begun[3] && rec[3] == (p) + 1))
#define RECORDED_BY_OTHER(i, p) \
	((i != 1 && rec[1] == (p) + 1) || (i != 2 && rec[2] == (p) + 1) || (i != 3 && rec[3] == (p) + 1))

/* The rules, each of which can be broken on purpose */
#ifdef NO_GPU_LOCK
#define GPU_LOCK_FREE(p) true
#define TAKE_GPU_LOCK(me, p) skip
#define DROP_GPU_LOCK(me, p) skip
#else
#define GPU_LOCK_FREE(p) (gpu_lock[GPU(p)] == 0)
#define TAKE_GPU_LOCK(me, p) ORDER(me); gpu_lock[GPU(p)] = me
#define DROP_GPU_LOCK(me, p) gpu_lock[GPU(p)] = 0
#endif
/* VM's lock, and under it either the node's or one GPU's: nobody who waits has what another waits for. */
#define ORDER(me)	assert(gpu_lock[0] != me && gpu_lock[1] != me)
#ifdef IGNORE_RECORDS
#define TAKEN(p)	false
#else
#define TAKEN(p)	RECORDED(p)
#endif
#ifdef GC_WITHOUT_VM_LOCK
#define GC_MAY_TAKE(i)	true
#define GC_TAKES(i)	skip
#else
#define GC_MAY_TAKE(i)	(vm_lock[i] == 0)
#define GC_TAKES(i)	vm_lock[i] = GC
#endif
#ifdef IGNORE_CONFIG_LOCK
#define LOCKED(i)	false
#else
#define LOCKED(i)	cfg[i]
#endif
#ifdef IGNORE_QEMU
#define RUNS(i)		false
#else
#define RUNS(i)		VISIBLE(i)
#endif
#if defined(IGNORE_QEMU) || defined(IGNORE_OPEN)
#define SEEN_OPEN(p)	false
#else
#define SEEN_OPEN(p)	OPEN(p)
#endif
/*
 * start-grace may end whenever no QEMU is launched and unseen. So what gc finds within it is a QEMU whose
 * task was killed before it was seen. A task that is killed then is younger than it: gc's look at
 * the age and that at PVE's lock, which such a task would have to lose in between, are one.
 */
#ifdef NO_GRACE
#define YOUNG(i)	false
#else
#define YOUNG(i)	(qemu[i] == LAUNCHED && !cfg[i])
#endif
#ifdef NO_LOOK_BEFORE_BEGIN
#define LOOKS_FREE(p)	true
#else
#define LOOKS_FREE(p)	(on[p] == 0)
#endif
#ifdef NO_NEXT_OWNER
#define NEXT_OWNER(i, p) false
#else
#define NEXT_OWNER(i, p) LINE_OF_OTHER(i, p)
#endif
#ifdef NO_SECOND_LOOK
#define STILL_THERE(p)	true
#else
#define STILL_THERE(p)	(on[p] != 0)
#endif
#ifdef NO_OWNER_LOOK
#define OF_ANOTHER(i, p) false
#else
#define OF_ANOTHER(i, p) RECORDED_BY_OTHER(i, p)
#endif
#ifdef NO_OPENER_LOOK
#define OPENED(p)	false
#else
#define OPENED(p)	OPEN(p)
#endif

/* runstate_write() of a claim */
#ifdef CLAIMS_MAY_MEET
#define WRITE_RECORD(i, p) rec[i] = p + 1; begun[i] = 0
#else
#define WRITE_RECORD(i, p) assert(!RECORDED_BY_OTHER(i, p)); rec[i] = p + 1; begun[i] = 0
#endif
#if defined(NO_RECORD) || defined(CLAIM_AFTER_CREATE)
#define WRITE_CLAIM(i, p) skip
#else
#define WRITE_CLAIM(i, p) WRITE_RECORD(i, p)
#endif
#define FORGET(i)	rec[i] = 0; begun[i] = 0

#ifdef NO_CRASH
#define CRASH	false
#else
#define CRASH	(!last)
#endif
/* A step that is done or not done: before it, its program may be killed, and the kernel frees its locks. */
#define STEP(guard, what) if :: atomic { guard -> what } :: atomic { CRASH -> DIES } fi
#define LET_GO(me) \
	if :: gpu_lock[0] == me -> gpu_lock[0] = 0 :: else fi; \
	if :: gpu_lock[1] == me -> gpu_lock[1] = 0 :: else fi; \
	if :: vm_lock[1] == me -> vm_lock[1] = 0 :: else fi; \
	if :: vm_lock[2] == me -> vm_lock[2] = 0 :: else fi; \
	if :: vm_lock[3] == me -> vm_lock[3] = 0 :: else fi

#if defined(LOST) && !defined(MARKED)
#define IS_OWN(i, p)	(on[p] == i || on[p] == NOBODYS)
#define GIVES_UP(i, p)	if :: on[p] == i && LINE_OF_OTHER(i, p) -> on[p] = NOBODYS :: else fi
#else
#define IS_OWN(i, p)	(on[p] == i)
#define GIVES_UP(i, p)	skip
#endif

/*
 * The write to the driver: one at a time on a GPU, of what is the VM's own, and not in use,
 * nor about to be. The last look at PVE's lines and the write are under PVE's lock, hence one step.
 */
#define REMOVE(me, i, p) \
	if \
	:: !PRESENT(i, p) || NEXT_OWNER(i, p) -> GIVES_UP(i, p) \
	:: PRESENT(i, p) && !NEXT_OWNER(i, p) -> assert(gpu_lock[GPU(p)] == me); assert(on[p] != OTHER); \
		assert(IS_OWN(i, p)); assert(!OPEN(p)); assert(at[i] != p + 1); assert(!promised[i]); \
		assert(!LINE_OF_OTHER(i, p)); on[p] = 0; NOT_DUE(p) \
	fi; \
	DROP_GPU_LOCK(me, p)

#define HAS_LOST(i)	(rec[i] == 0 && MADE_FOR(i))

#ifdef DROP_RECORD_BEFORE_REMOVE
#define FORGET_FIRST(i)	STEP(true, FORGET(i));
#else
#define FORGET_FIRST(i)
#endif
/* release_one() in pve-helper/release.c: lock_gpu() and look_for_opener(); remove() of lib/framework_*.c, which may fail */
#define RELEASE_ONE(by, vmid, place, done) \
	FORGET_FIRST(vmid) \
	if \
	:: atomic { GPU_LOCK_FREE(place) && NEXT_OWNER(vmid, place) -> GIVES_UP(vmid, place); goto done } \
	:: atomic { GPU_LOCK_FREE(place) && !SEEN_OPEN(place) && !NEXT_OWNER(vmid, place) -> TAKE_GPU_LOCK(by, place) } \
	:: atomic { GPU_LOCK_FREE(place) && SEEN_OPEN(place) && !NEXT_OWNER(vmid, place) -> DIES } \
	:: atomic { CRASH -> DIES } \
	fi; \
	if \
	:: atomic { true -> REMOVE(by, vmid, place) } \
	:: atomic { !last -> DIES }	/* refused, or killed */ \
	fi

#define TASK_ENDS	cfg[i] = 0; promised[i] = 0; p = NOWHERE
#define HOOK_ENDS	vm_lock[i] = 0; TASK_ENDS

#ifdef LINES
/* adopt_reserved_vf(): what PVE has reserved for this VM, and no record names */
#define FOUND(i, p) \
	(line[p] == i && on[p] != 0 && !OPEN(p) && rec[i] != p + 1 && !RECORDED_BY_OTHER(i, p))
#define FOUND_ANY(i)	(FOUND(i, 0) || FOUND(i, 1) || FOUND(i, 2) || FOUND(i, 3))
#define ADOPT_FOUND(i, place) \
	:: atomic { MAY_BEGIN(i) && !at[i] && !HAS_MADE(i) && FOUND(i, place) -> BEGIN(i); p = place; goto adopt }
/* The next one that PVE has reserved for it, or none. */
#define GO_ON \
	if \
	:: FOUND(i, 0) -> p = 0; goto adopt \
	:: FOUND(i, 1) -> p = 1; goto adopt \
	:: FOUND(i, 2) -> p = 2; goto adopt \
	:: FOUND(i, 3) -> p = 3; goto adopt \
	:: rec[i] != 0 -> p = rec[i] - 1; goto gone \
	:: rec[i] == 0 -> p = NOWHERE; goto claim \
	fi
#else
#define FOUND_ANY(i)	false
#endif
/* qemu-server's own clean-up, once QEMU is gone */
#ifdef LINES
#define CLEANS(i, p)	(line[p] == i && !OPEN(p))
#define CLEAN(p)	on[p] = 0; line[p] = 0; holds[p] = 0
#else
#define CLEANS(i, p)	(on[p] == i && !OPEN(p) && !IS_DUE(p))
#define CLEAN(p)	on[p] = 0
#endif
#define PVE_CLEANS(i, p) :: atomic { !last && !cfg[i] && !at[i] && CLEANS(i, p) -> CLEAN(p) }

/*
 * PVE's task: a start, or what it does after the end of a QEMU, which may be late and find the VM running. It does not
 * come while a QEMU is launched and not seen. It has PVE's lock from before it waits for the VM's. But that lock keeps
 * gc away and nobody else, so one that waits shows others nothing that they would not meet without it.
 */
#define MAY_BEGIN(i)	(!last && !cfg[i] && !vm_lock[i] && qemu[i] != LAUNCHED)
#define BEGIN(i)	ORDER(i); vm_lock[i] = i; cfg[i] = 1

#define IS_LAUNCHED(i, p) at[i] = p + 1; promised[i] = 0
#ifdef UNSEEN
#define LAUNCH(i, p)	IS_LAUNCHED(i, p); qemu[i] = LAUNCHED
#else
#define LAUNCH(i, p)	assert(on[p] == i); assert(!OPEN(p)); IS_LAUNCHED(i, p); qemu[i] = HOLDS; NOT_DUE(p)
#endif

#define DIES		LET_GO(i); TASK_ENDS; goto end_idle
proctype vm(byte i)
{
	byte p = NOWHERE;

end_idle:
	do
	/*
	 * start_vm(), post_stop(), hook_undo_start(): lock_vm(), runstate_read(), release(), try_one(). A start
	 * first clears what is left, remove_stale() and forget_gone(), so what all of them do first is the same.
	 */
	:: atomic { MAY_BEGIN(i) && rec[i] == 0 && !at[i] && !THERE(i) && !FOUND_ANY(i) -> BEGIN(i); goto claim }
#ifdef LINES
	:: atomic { MAY_BEGIN(i) && rec[i] != 0 && !HAS_MADE(i) -> BEGIN(i); p = rec[i] - 1; goto gone }
	ADOPT_FOUND(i, 0) ADOPT_FOUND(i, 1) ADOPT_FOUND(i, 2) ADOPT_FOUND(i, 3)
#else
	:: atomic { MAY_BEGIN(i) && rec[i] != 0 && !HAS_MADE(i) && !at[i] && !HAS_LOST(i) -> BEGIN(i); FORGET(i); goto claim }
	:: atomic { MAY_BEGIN(i) && rec[i] != 0 && !HAS_MADE(i) -> FORGET(i) }
#endif
#ifdef ADOPT
	/* take_over(): it serves what is wanted */
	:: atomic { MAY_BEGIN(i) && THERE(i) && !at[i] -> BEGIN(i); p = THERE_AT(i); goto adopt }
#endif
#ifdef LOST
	:: atomic { MAY_BEGIN(i) && HAS_LOST(i) && !at[i] -> BEGIN(i); p = THERE_AT(i); break }
#endif
	:: atomic { MAY_BEGIN(i) && HAS_MADE(i) && !RUNS(i) -> BEGIN(i); p = rec[i] - 1; break }
#if defined(SELFCLEAN) || defined(LINES)
	PVE_CLEANS(i, 0) PVE_CLEANS(i, 1) PVE_CLEANS(i, 2) PVE_CLEANS(i, 3)
#endif
#if defined(UNSEEN) || defined(LINES)
	/* After a launch qemu-server waits until QEMU is seen, or has ended, and calls post-start; or its task is killed. */
#ifdef LINES
	:: atomic { cfg[i] && !vm_lock[i] && VISIBLE(i) && rec[i] != 0 && !LINE_OF_OTHER(i, rec[i] - 1) -> \
		line[rec[i] - 1] = i; holds[rec[i] - 1] = BY_PID; cfg[i] = 0 }
#endif
	:: atomic { cfg[i] -> cfg[i] = 0 }
#endif
	od;
	RELEASE_ONE(i, i, p, gone);
gone:
#ifdef LINES
	STEP(true, DROP_LINE(i, p));
#endif
	/* runstate_drop(), runstate_write() */
	if
	:: atomic { !at[i] -> FORGET(i); p = NOWHERE }
	:: atomic { true -> FORGET(i); HOOK_ENDS; goto end_idle }
	:: atomic { CRASH -> DIES }
	fi;

	/*
	 * claim() in pve-helper/assign.c: lock_node(), scan_taken(), claim_one(), runstate_write(), lock_drop().
	 * Under the node lock no record is added, and what is made meanwhile is made at a recorded place.
	 */
claim:
#ifdef GPU_LOCK_FIRST
	STEP(gpu_lock[0] == 0, gpu_lock[0] = i);
#endif
#ifdef MARKED
#define FREE(p)	(on[p] == 0 && !TAKEN(p))
#else
/* What is on a vendor VF is looked at under its GPU's lock alone. */
#define FREE(p)	(!TAKEN(p) && !LINE_OF_OTHER(i, p))
#endif
#define NONE_FREE (!FREE(0) && !FREE(1) && !FREE(2) && !FREE(3))
#ifdef NO_NODE_LOCK
	/* Then others' records come between the look and the write. */
#define THEN(i, place)	p = place
#else
#define THEN(i, place)	ORDER(i); p = place; WRITE_CLAIM(i, place)
#endif
	if
	:: atomic { FREE(0) -> THEN(i, 0) }
	:: atomic { FREE(1) -> THEN(i, 1) }
	:: atomic { FREE(2) -> THEN(i, 2) }
	:: atomic { FREE(3) -> THEN(i, 3) }
	:: atomic { NONE_FREE -> HOOK_ENDS; goto end_idle }
	:: atomic { CRASH -> DIES }
	fi;
#ifdef NO_NODE_LOCK
	STEP(true, WRITE_CLAIM(i, p));
#endif
#ifdef LINES
	/* reserve_claims() */
	if
	:: atomic { !LINE_OF_OTHER(i, p) -> SET_LINE(i, p) }
	:: atomic { LINE_OF_OTHER(i, p) -> goto refuse }
	:: atomic { CRASH -> DIES }
	fi;
#endif

	/* create_one(), create_locked(): lock_gpu(), room(), begin(); create() of lib/framework_*.c, which may fail */
	if
	:: atomic { GPU_LOCK_FREE(p) && LOOKS_FREE(p) -> TAKE_GPU_LOCK(i, p); begun[i] = (rec[i] != 0) }
#ifdef LINES
	:: atomic { GPU_LOCK_FREE(p) && !LOOKS_FREE(p) -> goto refuse }
#else
	:: atomic { GPU_LOCK_FREE(p) && !LOOKS_FREE(p) -> FORGET(i); p = NOWHERE; goto claim }	/* refuse() */
	:: atomic { GPU_LOCK_FREE(p) && !LOOKS_FREE(p) -> FORGET(i); HOOK_ENDS; goto end_idle }
#endif
	:: atomic { CRASH -> DIES }
	fi;
	if
	:: atomic { on[p] == 0 -> assert(gpu_lock[GPU(p)] == i); assert(!MADE_FOR(i)); on[p] = i; NOT_DUE(p); DROP_GPU_LOCK(i, p);
#ifndef CLAIM_AFTER_CREATE
		vm_lock[i] = 0; promised[i] = 1
#endif
		}
	:: atomic { true -> DROP_GPU_LOCK(i, p); goto refuse }
	:: atomic { CRASH -> DIES }
	fi;
#ifdef CLAIM_AFTER_CREATE
	STEP(true, WRITE_RECORD(i, p); begun[i] = 1; vm_lock[i] = 0; promised[i] = 1);
#endif
	/*
	 * The next hookscript may refuse all the same, and hook_undo_start() comes, as a post-stop would. Or
	 * qemu-server goes on, and launches QEMU; or it fails, or is killed.
	 */
made:
	if
	:: atomic { true -> TASK_ENDS; goto end_idle }
#if defined(LINES)
	:: atomic { !LINE_OF_OTHER(i, p) -> SET_LINE(i, p);
		if :: on[p] == 0 -> on[p] = i :: else fi; LAUNCH(i, p); p = NOWHERE; goto end_idle }
#elif defined(UNSEEN)
	:: atomic { true -> assert(on[p] == i); LAUNCH(i, p); p = NOWHERE; goto end_idle }
#else
	:: atomic { true -> assert(on[p] == i); LAUNCH(i, p); TASK_ENDS; goto end_idle }
#endif
	fi;

#ifdef ADOPT
adopt:
#ifdef LINES
	/* adopt_vf(): reservation_set(), present(), is_of_another(), release_reservation(); forget_gone() */
	if
	:: atomic { !LINE_OF_OTHER(i, p) -> SET_LINE(i, p) }
	:: atomic { LINE_OF_OTHER(i, p) -> if :: rec[i] == p + 1 -> GIVES_UP(i, p) :: else fi; GO_ON }
	:: atomic { CRASH -> DIES }
	fi;
	if
	:: atomic { STILL_THERE(p) && rec[i] == p + 1 -> goto keep }
	:: atomic { STILL_THERE(p) && rec[i] != p + 1 -> skip }
	:: atomic { !STILL_THERE(p) -> goto give_back }
	:: atomic { CRASH -> DIES }
	fi;
	if
	:: atomic { !OF_ANOTHER(i, p) -> skip }
	:: atomic { OF_ANOTHER(i, p) -> goto give_back }
	:: atomic { CRASH -> DIES }
	fi;
	if
	:: atomic { !OPENED(p) -> if :: rec[i] != 0 -> DROP_LINE(i, rec[i] - 1) :: else fi; goto keep }
	:: atomic { OPENED(p) -> skip }
	:: atomic { CRASH -> DIES }
	fi;
give_back:
	STEP(true, DROP_LINE(i, p); GO_ON);
keep:
#endif
	/* claim(): scan_taken(), runstate_write() */
#ifdef MARKED
	STEP(true, rec[i] = p + 1; vm_lock[i] = 0; promised[i] = 1);
#else
	STEP(true, assert(IS_OWN(i, p)); assert(!RECORDED_BY_OTHER(i, p)); on[p] = i; \
		rec[i] = p + 1; begun[i] = 1; vm_lock[i] = 0; promised[i] = 1);
#endif
#if defined(MARKED) && defined(SELFCLEAN)
	/* As above, and the driver may have removed it. */
	if
	:: atomic { true -> TASK_ENDS; goto end_idle }
#ifdef UNSEEN
	:: atomic { true -> LAUNCH(i, p); p = NOWHERE; goto end_idle }
#else
	:: atomic { on[p] == i -> LAUNCH(i, p); TASK_ENDS; goto end_idle }
#endif
	fi;
#else
	goto made;
#endif
#endif

	/* refuse() */
refuse:
#ifdef LINES
	STEP(true, DROP_LINE(i, p));
#endif
	if
	:: atomic { true -> FORGET(i); p = NOWHERE; goto claim }
	:: atomic { true -> FORGET(i); HOOK_ENDS; goto end_idle }
	:: atomic { CRASH -> DIES }
	fi;
}
#undef DIES

#ifdef NO_PATTERN
#define LEFT(i)		(rec[i] != 0)
#else
#define LEFT(i)		(rec[i] != 0 || MADE_FOR(i))
#endif
#define GC_LOOKS_AT(i)	atomic { !last && LEFT(i) && GC_MAY_TAKE(i) && !LOCKED(i) && !YOUNG(i) -> ORDER(GC); GC_TAKES(i); v = i; goto look }
/* What PVE has reserved for another VM by now is that VM's to take over or to clear. */
#ifdef LINES
#define CLEAR_AT(i, p)	((on[p] != i || (OTHERS(p) && holds[p])) && !(line[p] == i && holds[p]))
#define LAPSE_TIMED(p)	if :: holds[p] == TIMED && line[p] != OTHER -> holds[p] = 0 :: else fi
#else
#define CLEAR_AT(i, p)	(on[p] != i)
#define LAPSE_TIMED(p)	skip
#endif
#define CLEAR(i)	(CLEAR_AT(i, 0) && CLEAR_AT(i, 1) && CLEAR_AT(i, 2) && CLEAR_AT(i, 3))
#define SETTLED(i)	(!cfg[i] && qemu[i] != LAUNCHED && qemu[i] != EXITING)
/* The last pass, in any order */
#define PASS(i) \
	:: atomic { !passed[i] && LEFT(i) -> assert(vm_lock[i] == 0); passed[i] = 1; GC_TAKES(i); v = i; goto look }
#define DONE(i)		(passed[i] || !LEFT(i))
#define TAKES_FOREIGN(p) :: atomic { !last && on[p] != 0 && !RECORDED(p) -> assert(on[p] != OTHER); on[p] = 0 }

#define LETS_GO	LET_GO(GC); p = NOWHERE; v = 0; if :: !last -> goto end_gc :: last -> goto next fi
#define DIES		LETS_GO
proctype gc()
{
	byte v, p = NOWHERE;

	/*
	 * gc_collect(): collect_state(), collect_pattern(): take_vm() without a wait, why_alive(): vm_lock_held().
	 * Where PVE's lock is held, it lets go again.
	 */
end_gc:
	do
	:: GC_LOOKS_AT(1)
	:: GC_LOOKS_AT(2)
	:: GC_LOOKS_AT(3)
#ifdef GC_TAKES_FOREIGN
	TAKES_FOREIGN(0) TAKES_FOREIGN(1) TAKES_FOREIGN(2) TAKES_FOREIGN(3)
#endif
	/* PVE is at work on no VM: gc comes once more, and nothing disturbs it. */
	:: atomic { !last && SETTLED(1) && SETTLED(2) && SETTLED(3) -> last = 1; v = 0;
		LAPSE_TIMED(0); LAPSE_TIMED(1); LAPSE_TIMED(2); LAPSE_TIMED(3); goto next }
	od;
	/* why_alive(): vm_qemu_pid(); release(), try_one() */
look:
	if
	:: atomic { RUNS(v) || !LEFT(v) -> LETS_GO }
#ifdef KEEP_GONE
	:: atomic { !RUNS(v) && rec[v] != 0 && !HAS_MADE(v) -> LETS_GO }
#else
	:: atomic { !RUNS(v) && rec[v] != 0 && !HAS_MADE(v) -> p = rec[v] - 1; goto forget }
#endif
	:: atomic { !RUNS(v) && HAS_MADE(v) -> p = rec[v] - 1 }
	:: atomic { !RUNS(v) && HAS_LOST(v) -> p = PLACE_OF(v) }
	:: atomic { CRASH -> DIES }
	fi;
	RELEASE_ONE(GC, v, p, forget);
forget:
#ifdef LINES
	STEP(true, DROP_LINE(v, p));
#endif
	STEP(true, FORGET(v); LETS_GO);
next:
	if
	PASS(1) PASS(2) PASS(3)
	:: atomic { DONE(1) && DONE(2) && DONE(3) -> skip }
	fi;
	/* Every leak is cleared, and nothing taken from a VM that runs. */
	atomic {
		v = 1;
		do
		:: v <= NVM ->
			if
			:: at[v] == 0 -> assert(rec[v] == 0); assert(CLEAR(v))
			:: else -> assert(qemu[v] == SEEN || on[at[v] - 1] == v)
			fi;
			v++
		:: else -> break
		od;
		assert(gpu_lock[0] == 0 && gpu_lock[1] == 0);
		assert(vm_lock[1] == 0 && vm_lock[2] == 0 && vm_lock[3] == 0)
	};
end_all:
	false
}

/* A line by pid lapses with its QEMU. */
#ifdef LINES
#define LAPSE_PID_AT(i, p) if :: line[p] == i && holds[p] == BY_PID -> holds[p] = 0 :: else fi
#define LAPSE_PID(i)	LAPSE_PID_AT(i, 0); LAPSE_PID_AT(i, 1); LAPSE_PID_AT(i, 2); LAPSE_PID_AT(i, 3)
#else
#define LAPSE_PID(i)	skip
#endif
#ifdef SELFCLEAN
#define LETS_GO_OF(p)	due[p] = (on[p] != 0)
#define DRIVER(p) \
	:: atomic { !last && due[p] -> due[p] = 0 } \
	:: atomic { !last && due[p] -> due[p] = 0; on[p] = 0 }
#else
#define LETS_GO_OF(p)	skip
#define DRIVER(p)
#endif
#if defined(LOST) && !defined(MARKED)
#define NAMELESS(i)	if :: lost[i] && on[at[i] - 1] == i -> on[at[i] - 1] = NOBODYS :: else fi; lost[i] = 0
#define LOSES(i, p) \
	if \
	:: on[p] == i && at[i] == 0 -> on[p] = NOBODYS \
	:: on[p] == i && at[i] != 0 -> lost[i] = 1 \
	:: else \
	fi
#else
#define NAMELESS(i)	skip
#define LOSES(i, p)	skip
#endif
/* qemu-server, which waits for it to be seen, has nothing more to do but to end. */
#define NOT_SEEN_ANY_MORE(i) LAPSE_PID(i); if :: vm_lock[i] != i -> cfg[i] = 0 :: else fi
#define IS_GONE(i)	NAMELESS(i); qemu[i] = NO_QEMU; at[i] = 0; NOT_SEEN_ANY_MORE(i)
#ifdef UNSEEN
/* Nobody else's, and nobody else has it. */
#define TAKES_IT(i) \
	if \
	:: !PRESENT(i, at[i] - 1) -> IS_GONE(i) \
	:: else -> assert(on[at[i] - 1] == i); assert(!OPEN(at[i] - 1)); qemu[i] = HOLDS; NOT_DUE(at[i] - 1) \
	fi
#define QEMU(i) \
	:: atomic { !last && qemu[i] == LAUNCHED -> qemu[i] = SEEN } \
	:: atomic { !last && (qemu[i] == LAUNCHED || qemu[i] == SEEN) -> IS_GONE(i) } \
	:: atomic { !last && qemu[i] == SEEN -> TAKES_IT(i) } \
	:: atomic { !last && qemu[i] == HOLDS -> qemu[i] = EXITING; NOT_SEEN_ANY_MORE(i) } \
	:: atomic { !last && qemu[i] == EXITING -> LETS_GO_OF(at[i] - 1); IS_GONE(i) }
#else
#define QEMU(i)	:: atomic { !last && at[i] -> LETS_GO_OF(at[i] - 1); IS_GONE(i) }
#endif
#ifdef LOST_ONCE
#define MAY_BE_LOST(i)	(!was_lost && on[rec[i] - 1] == i)
#define IS_LOST	was_lost = 1
#else
#define MAY_BE_LOST(i)	true
#define IS_LOST	skip
#endif
#ifdef LOST
#define RECORD_LOST(i) \
	:: atomic { !last && rec[i] && !cfg[i] && !vm_lock[i] && qemu[i] != LAUNCHED && MAY_BE_LOST(i) -> IS_LOST; LOSES(i, rec[i] - 1); FORGET(i) }
#else
#define RECORD_LOST(i)
#endif
#ifdef LINES
#define LINE_LAPSES(p) \
	:: atomic { !last && holds[p] == TIMED && line[p] != OTHER && \
		qemu[line[p]] != LAUNCHED && qemu[line[p]] != SEEN && !vm_lock[line[p]] -> holds[p] = 0 }
#ifdef STEAL_OPEN
#define MAY_STEAL(p)	true
#else
#define MAY_STEAL(p)	(!OPEN(p))
#endif
#define NO_OTHER	(!OTHERS(0) && !OTHERS(1) && !OTHERS(2) && !OTHERS(3))
#ifdef NO_OTHER_VM
#define ANOTHER_VM(p)
#else
#define ANOTHER_VM(p) \
	:: atomic { !last && NO_OTHER && on[p] != OTHER && MAY_STEAL(p) && !LINE_OF_OTHER(OTHER, p) -> SET_LINE(OTHER, p) } \
	:: atomic { !last && OTHERS(p) && on[p] != OTHER && !OPEN(p) -> on[p] = OTHER } \
	:: atomic { !last && OTHERS(p) && on[p] == OTHER && !other_holds -> assert(!OPEN(p)); other_holds = 1 } \
	:: atomic { !last && OTHERS(p) && other_holds -> other_holds = 0 } \
	:: atomic { !last && OTHERS(p) && !other_holds -> \
		if :: !OPEN(p) -> on[p] = 0 :: else fi; line[p] = 0; holds[p] = 0 }
#endif
#else
#define LINE_LAPSES(p)
#define ANOTHER_VM(p)
#endif
/* Somebody makes a vGPU by hand, one on a GPU at a time, and takes it away again. */
#define STRANGER(p) \
	:: atomic { !last && MAY_MAKE(p) && on[p ^ 1] != OTHER -> on[p] = OTHER } \
	:: atomic { !last && on[p] == OTHER -> on[p] = 0 }

proctype world()
{
end_world:
	do
	QEMU(1) QEMU(2) QEMU(3)
	RECORD_LOST(1) RECORD_LOST(2) RECORD_LOST(3)
	DRIVER(0) DRIVER(1) DRIVER(2) DRIVER(3)
	LINE_LAPSES(0) LINE_LAPSES(1) LINE_LAPSES(2) LINE_LAPSES(3)
	ANOTHER_VM(0) ANOTHER_VM(1) ANOTHER_VM(2) ANOTHER_VM(3)
#if !defined(NO_STRANGER) && !defined(LINES)
	STRANGER(0) STRANGER(1) STRANGER(2) STRANGER(3)
#endif
	od
}

init {
	atomic {
		run world(); run gc();
		run vm(1); run vm(2);
#if NVM == 3
		run vm(3)
#endif
	}
}
