/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * What keeps several VMs from each other: three VMs that start and stop as they
 * like, two GPUs with two places each, one gc, vGPUs made by hand at the first
 * place of each GPU, and anything of pve-vgpu killed before any step. Claim,
 * create, launch, release and gc alone: docs/protocol.md says what is left out.
 * With MARKED a vGPU shows whose it is, as an mdev's UUID does; without, it shows
 * that it is there alone, as a vendor VF does, and the record has "created".
 *
 * atomic is what happens at once: one system call that others see, together with
 * - what nobody changes but the holder of the VM's lock: its record and "created",
 * - what the node lock keeps still: no record is added, and what is made is made
 *   at a place that has one, or by hand (MAY_MAKE),
 * - the locks: one that is taken later, or let go of earlier, shows others
 *   nothing but a wait, and whoever is killed lets go of all.
 */
#define NVM	3
#define NPLACE	4
#define GPU(p)	((p) / 2)
#define OTHER	4		/* the maker of what is not ours; as a holder of locks: gc */
#define GC	4

byte on[NPLACE];		/* who made what is there: with MARKED pve-vgpu sees it, else != 0 alone */
byte at[NVM + 1];		/* place + 1 that the VM's QEMU has open; 0: no QEMU */
bit cfg[NVM + 1];		/* PVE's lock of the VM's config */
byte vm_lock[NVM + 1], gpu_lock[2];	/* the node lock is held within one step alone */
byte rec[NVM + 1];		/* place + 1; 0: no record */
bit begun[NVM + 1];		/* "created" of the record */
byte busy;			/* tasks of PVE's */
bit last;			/* nobody but gc does anything any more */

#ifdef MARKED
#define PRESENT(i, p)	(on[p] == (i))
#define BEGUN(i)	true
#define MADE_FOR(i)	(on[0] == i || on[1] == i || on[2] == i || on[3] == i)
#define PLACE_OF(i)	(on[0] == i -> 0 : (on[1] == i -> 1 : (on[2] == i -> 2 : 3)))
#define MAY_MAKE(p)	(on[p] == 0)
#else
#define PRESENT(i, p)	(on[p] != 0)
#define BEGUN(i)	begun[i]
#define MADE_FOR(i)	false
#define PLACE_OF(i)	0
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
#define OPEN(p)		(at[1] == (p) + 1 || at[2] == (p) + 1 || at[3] == (p) + 1)

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
#define SEEN_OPEN(p)	false
#else
#define RUNS(i)		(at[i] != 0)
#define SEEN_OPEN(p)	OPEN(p)
#endif
#ifdef NO_LOOK_BEFORE_BEGIN
#define LOOKS_FREE(p)	true
#else
#define LOOKS_FREE(p)	(on[p] == 0)
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
/* A step that is done or not done: before it, its program may be killed. */
#define STEP(guard, what) if :: atomic { guard -> what } :: CRASH -> goto killed fi
#define LET_GO(me) \
	if :: gpu_lock[0] == me -> gpu_lock[0] = 0 :: else fi; \
	if :: gpu_lock[1] == me -> gpu_lock[1] = 0 :: else fi; \
	if :: vm_lock[1] == me -> vm_lock[1] = 0 :: else fi; \
	if :: vm_lock[2] == me -> vm_lock[2] = 0 :: else fi; \
	if :: vm_lock[3] == me -> vm_lock[3] = 0 :: else fi

/* The write to the driver: one at a time on a GPU, of what is the VM's own, and not in use. */
#define REMOVE(me, i, p) \
	if \
	:: !PRESENT(i, p) \
	:: PRESENT(i, p) -> assert(gpu_lock[GPU(p)] == me); assert(on[p] != OTHER); \
		assert(on[p] == i); assert(!OPEN(p)); on[p] = 0 \
	fi; \
	DROP_GPU_LOCK(me, p)

#define HAS_MADE(i)	(rec[i] != 0 && BEGUN(i) && PRESENT(i, rec[i] - 1))
#define HAS_LOST(i)	(rec[i] == 0 && MADE_FOR(i))

/* release_one() in pve-helper/release.c: lock_gpu() and look_for_opener(); remove() of lib/framework_*.c, which may fail */
inline release_one(by, vmid, place)
{
#ifdef DROP_RECORD_BEFORE_REMOVE
	STEP(true, FORGET(vmid));
#endif
	if
	:: atomic { GPU_LOCK_FREE(place) && !SEEN_OPEN(place) -> TAKE_GPU_LOCK(by, place) }
	:: atomic { GPU_LOCK_FREE(place) && SEEN_OPEN(place) -> skip }; goto stays
	:: CRASH -> goto killed
	fi;
	if
	:: atomic { true -> REMOVE(by, vmid, place) }
	:: atomic { !last -> DROP_GPU_LOCK(by, place) }; goto stays
	:: CRASH -> goto killed
	fi
}

#define TASK_ENDS	cfg[i] = 0; p = 0; busy--
#define HOOK_ENDS	vm_lock[i] = 0; TASK_ENDS

proctype vm(byte i)
{
	byte p;

end_idle:
	/* PVE's task: a start, or what it does after the end of a QEMU, which may be late and find the VM running */
	atomic { !last -> cfg[i] = 1; busy++ };

	/*
	 * start_vm(), post_stop(), hook_undo_start(): lock_vm(), runstate_read(), release(), try_one(). A start
	 * first clears what is left, remove_stale() and forget_gone(), so what all of them do first is the same.
	 */
hook:
	if
	:: atomic { !vm_lock[i] && rec[i] == 0 && !at[i] -> ORDER(i); vm_lock[i] = i; goto claim }
	:: atomic { !vm_lock[i] && rec[i] != 0 && !HAS_MADE(i) && !at[i] -> ORDER(i); vm_lock[i] = i; FORGET(i); goto claim }
	:: atomic { !vm_lock[i] && rec[i] != 0 && !HAS_MADE(i) -> FORGET(i); TASK_ENDS; goto end_idle }
	:: atomic { !vm_lock[i] && HAS_MADE(i) && !RUNS(i) -> ORDER(i); vm_lock[i] = i; p = rec[i] - 1 }
	/* it has no record, or runs, or is killed */
	:: atomic { (rec[i] == 0 || RUNS(i) || CRASH) -> TASK_ENDS; goto end_idle }
	fi;
	release_one(i, i, p);
	/* runstate_drop(), runstate_write() */
	if
	:: atomic { true -> FORGET(i); p = 0 }
	:: atomic { true -> FORGET(i); HOOK_ENDS; goto end_idle }
	:: CRASH -> goto killed
	fi;

	/*
	 * claim() in pve-helper/assign.c: lock_node(), scan_taken(), claim_one(), runstate_write(), lock_drop().
	 * Under the node lock no record is added, and what is made meanwhile is made at a recorded place.
	 */
claim:
#ifdef GPU_LOCK_FIRST
	STEP(gpu_lock[0] == 0, gpu_lock[0] = i);
#endif
#define FREE(p)	(on[p] == 0 && !TAKEN(p))
#define NONE_FREE (!FREE(0) && !FREE(1) && !FREE(2) && !FREE(3))
#ifdef NO_NODE_LOCK
	/* Then others' records come between the look and the write. */
#define THEN(i, place)	p = place
#else
#define THEN(i, place)	ORDER(i); p = place; WRITE_CLAIM(i, place)
#endif
	if
	:: atomic { FREE(0) -> THEN(i, 0) }
	:: atomic { !FREE(0) && FREE(1) -> THEN(i, 1) }
	:: atomic { FREE(2) -> THEN(i, 2) }
	:: atomic { !FREE(2) && FREE(3) -> THEN(i, 3) }
	:: atomic { NONE_FREE -> HOOK_ENDS; goto end_idle }
	:: CRASH -> goto killed
	fi;
#ifdef NO_NODE_LOCK
	STEP(true, WRITE_CLAIM(i, p));
#endif

	/* create_one(), create_locked(): lock_gpu(), room(), begin(); create() of lib/framework_*.c, which may fail */
	if
	:: atomic { GPU_LOCK_FREE(p) && LOOKS_FREE(p) -> TAKE_GPU_LOCK(i, p); begun[i] = (rec[i] != 0) }
	:: atomic { GPU_LOCK_FREE(p) && !LOOKS_FREE(p) -> FORGET(i); p = 0; goto claim }	/* refuse() */
	:: atomic { GPU_LOCK_FREE(p) && !LOOKS_FREE(p) -> FORGET(i); HOOK_ENDS; goto end_idle }
	:: CRASH -> goto killed
	fi;
	if
	:: atomic { on[p] == 0 -> assert(gpu_lock[GPU(p)] == i); on[p] = i; DROP_GPU_LOCK(i, p);
#ifndef CLAIM_AFTER_CREATE
		vm_lock[i] = 0
#endif
		}
	:: atomic { true -> DROP_GPU_LOCK(i, p); goto refuse }
	:: CRASH -> goto killed
	fi;
#ifdef CLAIM_AFTER_CREATE
	STEP(true, WRITE_RECORD(i, p); begun[i] = 1; vm_lock[i] = 0);
#endif
	/*
	 * The next hookscript may refuse all the same: hook_undo_start(). Or qemu-server
	 * goes on: QEMU is there, is seen and has the vGPU open; or it fails, or is killed.
	 */
	if
	:: atomic { true -> p = 0; goto hook }
	:: atomic { true -> assert(on[p] == i); assert(!OPEN(p)); at[i] = p + 1; TASK_ENDS; goto end_idle }
	:: atomic { true -> TASK_ENDS; goto end_idle }
	fi;

	/* refuse() */
refuse:
	if
	:: atomic { true -> FORGET(i); p = 0; goto claim }
	:: atomic { true -> FORGET(i); HOOK_ENDS; goto end_idle }
	:: CRASH -> goto killed
	fi;

	/* The kernel frees the locks of a process that is gone. */
stays:
killed:
	atomic { LET_GO(i); TASK_ENDS; goto end_idle }
}

#define LEFT(i)		(rec[i] != 0 || MADE_FOR(i))
#define GC_LOOKS_AT(i)	atomic { !last && LEFT(i) && GC_MAY_TAKE(i) && !LOCKED(i) -> ORDER(GC); GC_TAKES(i); v = i; goto look }
#define CLEAR(i)	(on[0] != i && on[1] != i && on[2] != i && on[3] != i)

proctype gc()
{
	byte v, p;

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
	:: atomic { !last && on[0] != 0 && !RECORDED(0) -> assert(on[0] != OTHER); on[0] = 0 }
#endif
	/* PVE is at work on no VM: gc comes once more, and nothing disturbs it. */
	:: atomic { !last && !busy -> last = 1; v = 0; goto next }
	od;
	/* why_alive(): vm_qemu_pid(); release(), try_one() */
look:
	if
	:: atomic { RUNS(v) -> skip }; goto let_go
	:: atomic { !RUNS(v) && !LEFT(v) -> skip }; goto let_go
	:: atomic { !RUNS(v) && rec[v] != 0 && !HAS_MADE(v) -> p = rec[v] - 1 }; goto forget
	:: atomic { !RUNS(v) && HAS_MADE(v) -> p = rec[v] - 1 }
	:: atomic { !RUNS(v) && HAS_LOST(v) -> p = PLACE_OF(v) }
	:: CRASH -> goto killed
	fi;
	release_one(GC, v, p);
forget:
	STEP(true, FORGET(v));
stays:
killed:
let_go:
	atomic {
		LET_GO(GC);
		p = 0;
		if :: !last -> v = 0; goto end_gc :: last fi
	};
next:
	if
	:: atomic { v < NVM -> v++; assert(vm_lock[v] == 0) };
		if
		:: atomic { LEFT(v) -> GC_TAKES(v) }; goto look
		:: atomic { !LEFT(v) -> skip }; goto next
		fi
	:: atomic { v == NVM -> skip }
	fi;
	/* Every leak is cleared, and nothing taken from a VM that runs. */
	atomic {
		v = 1;
		do
		:: v <= NVM ->
			if
			:: at[v] == 0 -> assert(rec[v] == 0); assert(CLEAR(v))
			:: else -> assert(on[at[v] - 1] == v)
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

#define QEMU_ENDS(i)	:: atomic { !last && at[i] -> at[i] = 0 }
/* Somebody makes a vGPU by hand, and takes it away again. */
#define STRANGER(p) \
	:: atomic { !last && MAY_MAKE(p) -> on[p] = OTHER } \
	:: atomic { !last && on[p] == OTHER -> on[p] = 0 }

proctype world()
{
end_world:
	do
	QEMU_ENDS(1) QEMU_ENDS(2) QEMU_ENDS(3)
#ifndef NO_STRANGER
	STRANGER(0) STRANGER(2)
#endif
	od
}

init {
	atomic {
		run world(); run gc();
		run vm(1); run vm(2); run vm(3)
	}
}
