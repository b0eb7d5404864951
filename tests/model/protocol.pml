/* SPDX-License-Identifier: AGPL-3.0-or-later */
/*
 * The protocol by which a VM gets, holds and gives back a vGPU; several VMs are in
 * claims.pml, and 2 and 3 here have a number alone. docs/protocol.md has
 * it in words, the function behind each step, and what is left out. Without
 * VFIO it is that of the mdev bus, with it that of vendor VFIO. tests/model/check
 * runs it, and once more for each rule that is broken on purpose (-D<RULE>).
 */
#define NVM	3
#define NPLACE	4		/* two GPUs with two places each */
#define GPU(p)	((p) / 2)
#define OTHER	4		/* a maker and owner that is not ours; as a holder of locks: gc */
#define GC	4
#ifndef STRANGERS
#define STRANGERS 2		/* vGPUs that others have at a time, at most */
#endif

/* What the node and PVE have. */
byte on[NPLACE];		/* who made what is there; on vendor VFIO pve-vgpu sees != 0 alone */
bit due[NPLACE];		/* QEMU has let go of it a moment ago: the driver may remove it itself */
byte strangers;
bit cfg[NVM + 1];		/* PVE's lock of a VM's config */
byte qemu[NVM + 1];
#define NO_QEMU	0
#define LAUNCHED 1		/* forked; no pid file, nothing open */
#define SEEN	2		/* by pid file and command line */
#define HOLDS	3		/* SEEN, and has the vGPU open */
#define EXITING	4		/* not seen any more, and still has it open */
byte at[NVM + 1];		/* place + 1 of QEMU's vGPU */
bit starting[NVM + 1];		/* pre-start has promised a vGPU, QEMU is not launched yet */

/* PVE's reservations: a line of OTHER is another VM's, without pve-vgpu. */
#ifdef VFIO
byte line[NPLACE];
byte holds[NPLACE];		/* 0: lapsed */
#define TIMED	1
#define BY_PID	2
byte other;			/* place + 1 of another VM of PVE's */
bit other_holds;		/* its QEMU has it open */
byte res_lock;			/* PVE's lock of its reservations, where it is held for more than a moment */
#endif

/* What pve-vgpu has: locks by holder, and a record for each VM. */
byte vm_lock[NVM + 1], node_lock, gpu_lock[2];
byte rec[NVM + 1];		/* place + 1; 0: there is none */
bit begun[NVM + 1];		/* "created" of the record, vendor VFIO */
bit ran[NVM + 1];		/* phase "running" */
bit young[NVM + 1];		/* claimed within start-grace */

byte busy;			/* VMs at which PVE is at work */
bit last;			/* the time after which nobody but gc does anything */

#define VISIBLE(i)	(qemu[i] == SEEN || qemu[i] == HOLDS)
#define HAS(i, p)	(qemu[i] >= HOLDS && at[i] == (p) + 1)
#ifdef VFIO
#define OPEN(p)		(HAS(1, p) || HAS(2, p) || HAS(3, p) || (other_holds && other == (p) + 1))
#define LINE_OF_OTHER(i, p) (line[p] && line[p] != (i) && holds[p])
#define PRESENT(i, p)	(on[p] != 0)
#define SEEN_TAKEN(i, p) LINE_OF_OTHER(i, p)
#else
#define OPEN(p)		(HAS(1, p) || HAS(2, p) || HAS(3, p))
#define PRESENT(i, p)	(on[p] == (i))
#define SEEN_TAKEN(i, p) (on[p] != 0)
#endif
#define RECORDED(p)	(rec[1] == (p) + 1 || rec[2] == (p) + 1 || rec[3] == (p) + 1)
#define RECORDED_BY_OTHER(i, p) \
	((i != 1 && rec[1] == (p) + 1) || (i != 2 && rec[2] == (p) + 1) || (i != 3 && rec[3] == (p) + 1))
#define FREE(i, p)	(!RECORDED(p) && !SEEN_TAKEN(i, p))

#ifdef NO_CRASH
#define CRASH	false
#else
#define CRASH	(!last)
#endif
/* One step that is done or not done: before it, its program may be killed. */
#define STEP(guard, what) if :: atomic { guard -> what } :: CRASH -> goto killed fi
#ifdef VFIO
#define LET_GO_LINES(me) if :: res_lock == me -> res_lock = 0 :: else fi;
#else
#define LET_GO_LINES(me)
#endif
#define LET_GO(me) \
	atomic { \
		if :: node_lock == me -> node_lock = 0 :: else fi; \
		if :: gpu_lock[0] == me -> gpu_lock[0] = 0 :: else fi; \
		if :: gpu_lock[1] == me -> gpu_lock[1] = 0 :: else fi; \
		LET_GO_LINES(me) \
		if :: vm_lock[1] == me -> vm_lock[1] = 0 :: else fi; \
		if :: vm_lock[2] == me -> vm_lock[2] = 0 :: else fi; \
		if :: vm_lock[3] == me -> vm_lock[3] = 0 :: else fi; \
	}

/* What must hold whenever pve-vgpu writes to a driver to remove. i: for whom. */
inline may_remove(owner, spot)
{
	assert(on[spot] != OTHER);			/* nothing foreign is removed */
	assert(on[spot] == owner);			/* nor another VM's */
	assert(!OPEN(spot));			/* nor what is in use */
	assert(at[owner] != spot + 1 || qemu[owner] == NO_QEMU);	/* nor what QEMU is about to open */
	assert(!starting[owner]);			/* nor what a start was promised */
#ifdef VFIO
	assert(!(line[spot] == OTHER && holds[spot]));
#endif
}



/* --- the rules, each of which can be broken on purpose -------------------- */

/*
 * The VM's lock comes first, then the node's or one GPU's, and PVE's lock of its
 * reservations last: so no two wait for each other.
 */
#ifdef VFIO
#define ORDER(me)	assert(node_lock != me && gpu_lock[0] != me && gpu_lock[1] != me && res_lock != me)
#else
#define ORDER(me)	assert(node_lock != me && gpu_lock[0] != me && gpu_lock[1] != me)
#endif

#ifdef NO_NODE_LOCK
#define NODE_LOCK_FREE	true
#define TAKE_NODE_LOCK(i) skip
#else
#define NODE_LOCK_FREE	(node_lock == 0)
#define TAKE_NODE_LOCK(i) ORDER(i); node_lock = i
#endif
#define DROP_NODE_LOCK(i) node_lock = 0
#ifdef NO_GPU_LOCK
#define GPU_LOCK_FREE(p) true
#define TAKE_GPU_LOCK(me, p) skip
#define DROP_GPU_LOCK(me, p) skip
#else
#define GPU_LOCK_FREE(p) (gpu_lock[GPU(p)] == 0)
#define TAKE_GPU_LOCK(me, p) ORDER(me); gpu_lock[GPU(p)] = me
#define DROP_GPU_LOCK(me, p) gpu_lock[GPU(p)] = 0
#endif
#ifdef GC_WITHOUT_VM_LOCK
#define GC_MAY_TAKE(i)	true
#define GC_TAKES(i)	skip
#define GC_LETS_GO(i)	skip
#else
#define GC_MAY_TAKE(i)	(vm_lock[i] == 0)
#define GC_TAKES(i)	ORDER(GC); vm_lock[i] = GC
#define GC_LETS_GO(i)	vm_lock[i] = 0
#endif
#ifdef NO_GRACE
#define YOUNG(i)	false
#else
#define YOUNG(i)	young[i]
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
#ifdef IGNORE_OPEN
#define SEEN_OPEN(p)	false
#else
#define SEEN_OPEN(p)	OPEN(p)
#endif
#ifdef ADOPT_CLAIMED
#define BEGUN(i)	true
#else
#define BEGUN(i)	begun[i]
#endif
#ifdef NO_NEXT_OWNER
#define NEXT_OWNER(i, p) false
#else
#define NEXT_OWNER(i, p) LINE_OF_OTHER(i, p)
#endif

#ifdef NO_RESERVATION_LOCK
#define TAKE_RES_LOCK(me) skip
#else
#define TAKE_RES_LOCK(me) res_lock = me
#endif
#ifdef VFIO
#define LINES_FREE	(res_lock == 0)
#define DROP_DRIVER(me, p) DROP_GPU_LOCK(me, p); if :: res_lock == me -> res_lock = 0 :: else fi
#else
#define LINES_FREE	true
#define DROP_DRIVER(me, p) DROP_GPU_LOCK(me, p)
#endif

/* runstate_write() of a claim: one record alone names a place */
#define WRITE_RECORD(i, p) \
	assert(adopted || !RECORDED_BY_OTHER(i, p)); rec[i] = p + 1; begun[i] = adopted; ran[i] = 0; young[i] = 1
#if defined(NO_RECORD) || defined(CLAIM_AFTER_CREATE)
#define WRITE_CLAIM(i, p) skip
#else
#define WRITE_CLAIM(i, p) WRITE_RECORD(i, p)
#endif
#define FORGET(i)	rec[i] = 0; begun[i] = 0; ran[i] = 0; young[i] = 0

#ifdef VFIO
#define DROP_LINE(i, p)	if :: line[p] == i -> line[p] = 0; holds[p] = 0 :: else fi
/* adopt_reserved_vf(): what PVE has reserved for this VM, and no record names */
#define FOUND(i, p) \
	(line[p] == i && on[p] != 0 && !OPEN(p) && rec[i] != p + 1 && !RECORDED_BY_OTHER(i, p))
#define CLEANS(i, p)	(line[p] == i && !OPEN(p) && LINES_FREE)
#define CLEAN(p)	on[p] = 0; due[p] = 0; line[p] = 0; holds[p] = 0
#define MADE_FOR(i)	false
#define PLACE_OF(i)	0
#else
#define MADE_FOR(i)	(on[0] == i || on[1] == i || on[2] == i || on[3] == i)
#define CLEANS(i, p)	(on[p] == i && !OPEN(p) && !due[p])
#define CLEAN(p)	on[p] = 0
#define PLACE_OF(i)	(on[0] == i -> 0 : (on[1] == i -> 1 : (on[2] == i -> 2 : 3)))
#endif

/* The write of a removal, with a last look whether it is there, and what may come of it. */
#define REMOVE(me, i, p) \
	if \
	:: !PRESENT(i, p) \
	:: PRESENT(i, p) -> assert(gpu_lock[GPU(p)] == me); may_remove(i, p); on[p] = 0; due[p] = 0 \
	:: PRESENT(i, p) && !last -> stays = 1 \
	fi

/* release(), with the VM's lock held by me. p: of a vGPU without a record (gc alone) */
inline release(by, vmid, place)
{
	if
	:: atomic { rec[vmid] != 0 -> place = rec[vmid] - 1 }
	:: atomic { rec[vmid] == 0 && !(by == GC && MADE_FOR(vmid)) -> skip }; goto released
	:: atomic { rec[vmid] == 0 && by == GC && MADE_FOR(vmid) -> skip }
	:: CRASH -> goto killed
	fi;
#ifdef DROP_RECORD_BEFORE_REMOVE
	STEP(true, FORGET(vmid));
#endif
	/* try_one(): is it there, has the driver had its time, does the VM run */
	if
#ifdef VFIO
	:: atomic { !BEGUN(vmid) -> skip }; goto forget
	:: atomic { BEGUN(vmid) && !PRESENT(vmid, place) -> skip }; goto forget
	:: atomic { BEGUN(vmid) && PRESENT(vmid, place) && RUNS(vmid) -> skip }; goto released
	:: atomic { BEGUN(vmid) && PRESENT(vmid, place) && !RUNS(vmid) -> skip }
#else
	:: atomic { !PRESENT(vmid, place) -> skip }; goto forget
	:: atomic { PRESENT(vmid, place) && RUNS(vmid) -> skip }; goto released
	:: atomic { PRESENT(vmid, place) && !RUNS(vmid) -> skip }
#endif
	:: CRASH -> goto killed
	fi;
	/* release_one() */
	STEP(GPU_LOCK_FREE(place), TAKE_GPU_LOCK(by, place));
#ifdef VFIO
	STEP(LINES_FREE, TAKE_RES_LOCK(by));
	if
	:: atomic { NEXT_OWNER(vmid, place) -> DROP_DRIVER(by, place) }; goto forget
	:: atomic { !NEXT_OWNER(vmid, place) -> skip }
	:: CRASH -> goto killed
	fi;
#endif
	if
	:: atomic { SEEN_OPEN(place) -> DROP_DRIVER(by, place) }; goto released
	:: atomic { !SEEN_OPEN(place) -> skip }
	:: CRASH -> goto killed
	fi;
	STEP(true, REMOVE(by, vmid, place));
	if
	:: atomic { !stays -> DROP_DRIVER(by, place) }
	:: atomic { stays -> stays = 0; DROP_DRIVER(by, place) }; goto released
	:: CRASH -> goto killed
	fi;
forget:
#ifdef VFIO
	STEP(LINES_FREE, DROP_LINE(vmid, place));
#endif
	STEP(true, FORGET(vmid));
released:
	skip
}

/* --- a VM: PVE's task, and the hook that it calls ------------------------- */

proctype vm(byte i)
{
	byte p;			/* the place that the hook is at */
	bit adopted, undo, stays;

end_idle:
	do
	:: atomic { !last && !cfg[i] && qemu[i] == NO_QEMU -> cfg[i] = 1; busy++ };
		goto pre_start
	:: atomic { !last && !cfg[i] && qemu[i] == NO_QEMU -> cfg[i] = 1; busy++ };
		goto stopping
	od;

	/* --- pre-start --- */
pre_start:
	STEP(vm_lock[i] == 0, ORDER(i); vm_lock[i] = i);

	/* adopt(): keep what is there, remove what is not what is wanted, forget what is gone */
	if
#ifdef VFIO
	:: atomic { rec[i] && BEGUN(i) && PRESENT(i, rec[i] - 1) -> p = rec[i] - 1 };
		if
		:: goto adopt_vf		/* it serves what is wanted */
		:: goto take_away		/* the intent is another one by now */
		fi
	:: atomic { !(rec[i] && BEGUN(i) && PRESENT(i, rec[i] - 1)) && FOUND(i, 0) -> p = 0 }; goto adopt_vf
	:: atomic { !(rec[i] && BEGUN(i) && PRESENT(i, rec[i] - 1)) && FOUND(i, 1) -> p = 1 }; goto adopt_vf
	:: atomic { !(rec[i] && BEGUN(i) && PRESENT(i, rec[i] - 1)) && FOUND(i, 2) -> p = 2 }; goto adopt_vf
	:: atomic { !(rec[i] && BEGUN(i) && PRESENT(i, rec[i] - 1)) && FOUND(i, 3) -> p = 3 }; goto adopt_vf
	:: atomic { !(rec[i] && BEGUN(i) && PRESENT(i, rec[i] - 1)) &&
		!FOUND(i, 0) && !FOUND(i, 1) && !FOUND(i, 2) && !FOUND(i, 3) -> skip };
		goto forget_gone
#else
	:: atomic { MADE_FOR(i) -> p = PLACE_OF(i) };
		if
		:: adopted = 1; goto claim
		:: goto take_away
		fi
	:: atomic { !MADE_FOR(i) -> skip }; goto forget_gone
#endif
	:: CRASH -> goto killed
	fi;
#ifdef VFIO
adopt_vf:
	if
	:: atomic { LINES_FREE && !LINE_OF_OTHER(i, p) -> line[p] = i; holds[p] = TIMED };
		goto look_again
	:: atomic { LINES_FREE && LINE_OF_OTHER(i, p) -> skip }; goto forget_gone
	:: CRASH -> goto killed
	fi;
#endif
#ifdef VFIO
look_again:
	if
#ifdef NO_SECOND_LOOK
	:: atomic { true -> adopted = 1; assert(on[p] == i) }
#else
	:: atomic { PRESENT(i, p) -> adopted = 1; assert(on[p] == i) }
	:: atomic { !PRESENT(i, p) -> skip }; goto not_kept
#endif
	:: CRASH -> goto killed
	fi;
	if
	:: atomic { rec[i] == 0 || rec[i] == p + 1 -> skip }; goto claim
	:: atomic { rec[i] != 0 && rec[i] != p + 1 && LINES_FREE -> DROP_LINE(i, rec[i] - 1) }; goto claim
	:: CRASH -> goto killed
	fi;
not_kept:
	STEP(LINES_FREE, DROP_LINE(i, p));
#endif
forget_gone:
	if
	:: atomic { rec[i] == 0 -> goto claim }
	:: atomic { rec[i] != 0 -> skip }
	:: CRASH -> goto killed
	fi;
#ifdef VFIO
	STEP(LINES_FREE, DROP_LINE(i, rec[i] - 1));
#endif
	STEP(true, FORGET(i));

	/* claim() */
claim:
	STEP(NODE_LOCK_FREE, TAKE_NODE_LOCK(i));
	if
	:: atomic { adopted -> skip }
	:: atomic { !adopted && FREE(i, 0) -> p = 0 }
	:: atomic { !adopted && !FREE(i, 0) && FREE(i, 1) -> p = 1 }
	:: atomic { !adopted && FREE(i, 2) -> p = 2 }
	:: atomic { !adopted && !FREE(i, 2) && FREE(i, 3) -> p = 3 }
	:: atomic { !adopted && !FREE(i, 0) && !FREE(i, 1) && !FREE(i, 2) && !FREE(i, 3) -> DROP_NODE_LOCK(i) };
		goto refuse_start
	:: CRASH -> goto killed
	fi;
	STEP(true, WRITE_CLAIM(i, p));
	STEP(true, DROP_NODE_LOCK(i));
	if
	:: atomic { adopted -> skip }; goto promised
	:: atomic { !adopted -> skip }
	fi;
#ifdef VFIO
	/* reserve_claims() */
	if
	:: atomic { LINES_FREE && !LINE_OF_OTHER(i, p) -> line[p] = i; holds[p] = TIMED }
	:: atomic { LINES_FREE && LINE_OF_OTHER(i, p) -> skip }; goto give_back
	:: CRASH -> goto killed
	fi;
#endif

	/* create_locked() */
	STEP(GPU_LOCK_FREE(p), TAKE_GPU_LOCK(i, p));
	if
#ifdef NO_LOOK_BEFORE_BEGIN
	:: atomic { true -> skip }
#else
	:: atomic { on[p] == 0 -> skip }
	:: atomic { on[p] != 0 -> DROP_GPU_LOCK(i, p) }; goto give_back
#endif
	:: CRASH -> goto killed
	fi;
#ifdef VFIO
	STEP(true, begun[i] = 1);
#endif
	if
	:: atomic { on[p] == 0 -> assert(gpu_lock[GPU(p)] == i); on[p] = i; due[p] = 0 }
	:: atomic { on[p] == 0 -> skip }		/* "done", and nothing was made */
#ifdef NO_VERIFY
		; goto created
#endif
	:: atomic { true -> DROP_GPU_LOCK(i, p) }; goto give_back	/* refused, as it is where something is */
	:: CRASH -> goto killed
	fi;
	if
	:: atomic { PRESENT(i, p) -> skip }
	:: atomic { !PRESENT(i, p) -> DROP_GPU_LOCK(i, p) }; goto give_back
	:: CRASH -> goto killed
	fi;
created:
	STEP(true, DROP_GPU_LOCK(i, p));
#ifdef CLAIM_AFTER_CREATE
	STEP(true, WRITE_RECORD(i, p));
#endif

	/* all is there; the next hookscript may refuse the start all the same */
promised:
	if
	:: atomic { vm_lock[i] == i -> assert(on[p] == i || adopted); vm_lock[i] = 0; adopted = 0; starting[i] = 1 };
		goto launch
	:: atomic { vm_lock[i] == i -> vm_lock[i] = 0; adopted = 0; undo = 1 };
		goto release_own
	:: CRASH -> goto killed
	fi;

	/* refuse(): the claim is given back, and another place tried, or no other */
give_back:
#ifdef VFIO
	STEP(LINES_FREE, DROP_LINE(i, p));
#endif
	STEP(true, FORGET(i));
	if
	:: goto claim
	:: goto refuse_start
	fi;

	/* remove_stale() */
take_away:
	STEP(GPU_LOCK_FREE(p), TAKE_GPU_LOCK(i, p));
#ifdef VFIO
	STEP(LINES_FREE, TAKE_RES_LOCK(i));
	if
	:: atomic { NEXT_OWNER(i, p) -> DROP_DRIVER(i, p) }; goto forget_gone
	:: atomic { !NEXT_OWNER(i, p) -> skip }
	:: CRASH -> goto killed
	fi;
#endif
	if
	:: atomic { SEEN_OPEN(p) -> DROP_DRIVER(i, p) }; goto refuse_start
	:: atomic { !SEEN_OPEN(p) -> skip }
	:: CRASH -> goto killed
	fi;
	STEP(true, REMOVE(i, i, p));
	if
	:: atomic { !stays -> DROP_DRIVER(i, p) }; goto forget_gone
	:: atomic { stays -> stays = 0; DROP_DRIVER(i, p) }; goto refuse_start
	:: CRASH -> goto killed
	fi;

refuse_start:
	STEP(true, vm_lock[i] = 0; adopted = 0);
	goto task_ends;

	/* --- qemu-server goes on, with the lock of the config --- */
launch:
	if
	:: atomic { true -> starting[i] = 0 }; goto task_ends		/* it fails, or its task is killed */
#ifdef VFIO
	:: atomic { LINES_FREE && !LINE_OF_OTHER(i, p) ->
		line[p] = i; holds[p] = TIMED;
		if :: on[p] == 0 -> on[p] = i; due[p] = 0 :: else fi;
		qemu[i] = LAUNCHED; at[i] = p + 1; starting[i] = 0 }
#else
	:: atomic { true -> qemu[i] = LAUNCHED; at[i] = p + 1; starting[i] = 0 }
#endif
	fi;
	if
	:: VISIBLE(i)
	:: atomic { !VISIBLE(i) && qemu[i] != LAUNCHED -> skip }; goto task_ends
#ifdef LONG_START
	:: atomic { !last -> skip }; goto task_ends	/* the task is killed */
#else
	:: atomic { !last && young[i] -> skip }; goto task_ends
#endif
	fi;

	/* --- post-start --- */
	STEP(vm_lock[i] == 0, ORDER(i); vm_lock[i] = i);
	if
	:: atomic { VISIBLE(i) && rec[i] != 0 -> ran[i] = 1 }
	:: atomic { !(VISIBLE(i) && rec[i] != 0) -> vm_lock[i] = 0 }; goto task_ends
	:: CRASH -> goto killed
	fi;
#ifdef VFIO
	if
	:: atomic { LINES_FREE && !LINE_OF_OTHER(i, p) -> line[p] = i; holds[p] = (VISIBLE(i) -> BY_PID : 0) }
	:: atomic { LINES_FREE && LINE_OF_OTHER(i, p) -> skip }
	:: CRASH -> goto killed
	fi;
#endif
	STEP(true, vm_lock[i] = 0);
	goto task_ends;

	/* --- QEMU has ended: qemu-server's own clean-up and post-stop, in any order, twice, or not at all --- */
stopping:
	if
	:: goto release_own
	:: goto task_ends
	:: atomic { CLEANS(i, 0) -> CLEAN(0) }; goto stopping
	:: atomic { CLEANS(i, 1) -> CLEAN(1) }; goto stopping
	:: atomic { CLEANS(i, 2) -> CLEAN(2) }; goto stopping
	:: atomic { CLEANS(i, 3) -> CLEAN(3) }; goto stopping
	fi;

	/* post_stop(), hook_undo_start() */
release_own:
	STEP(vm_lock[i] == 0, ORDER(i); vm_lock[i] = i);
	release(i, i, p);
	STEP(vm_lock[i] == i, vm_lock[i] = 0);
	if
	:: atomic { undo -> undo = 0 }; goto task_ends
	:: atomic { !undo -> skip }; goto stopping
	fi;

	/* The kernel frees the locks of a process that is gone. PVE takes that for a failure of the phase. */
killed:
	atomic { LET_GO(i); adopted = 0; undo = 0; stays = 0 };
task_ends:
	atomic { cfg[i] = 0; p = 0; busy-- };
	goto end_idle
}

/* --- gc -------------------------------------------------------------------- */

#ifdef NO_PATTERN
#define LEFT(i)		(rec[i] != 0)
#else
#define LEFT(i)		(rec[i] != 0 || MADE_FOR(i))
#endif
#define IS_YOUNG(i)	(rec[i] && YOUNG(i) && !(ran[i] && !PRESENT(i, rec[i] - 1)))
#define GC_LOOKS_AT(i)	atomic { !last && LEFT(i) && !IS_YOUNG(i) && GC_MAY_TAKE(i) -> GC_TAKES(i); v = i }
#ifdef VFIO
/* What PVE has reserved for another VM by now is that VM's to take over or to clear. */
#define CLEAR(i, p)	(on[p] != i || (line[p] == OTHER && holds[p]))
#else
#define CLEAR(i, p)	(on[p] != i)
#endif
#define SETTLED(i)	(qemu[i] != LAUNCHED && qemu[i] != EXITING)
#define LAPSE_TIMED(p)	if :: holds[p] == TIMED && line[p] != OTHER -> holds[p] = 0 :: else fi

proctype gc()
{
	byte v, p;
	bit stays;

end_gc:
	do
	:: GC_LOOKS_AT(1); goto look
	:: GC_LOOKS_AT(2); goto look
	:: GC_LOOKS_AT(3); goto look
#ifdef GC_TAKES_FOREIGN
	:: atomic { !last && on[0] != 0 && !RECORDED(0) -> may_remove(on[0], 0); on[0] = 0 }
#endif
	/* Time has passed, and nobody does anything any more: gc comes once again, and is through. */
	:: atomic { !last && !busy && !cfg[2] && !cfg[3] && SETTLED(1) && SETTLED(2) && SETTLED(3) ->
		last = 1; v = 0;
		young[1] = 0; young[2] = 0; young[3] = 0;
		due[0] = 0; due[1] = 0; due[2] = 0; due[3] = 0;
#ifdef VFIO
		LAPSE_TIMED(0); LAPSE_TIMED(1); LAPSE_TIMED(2); LAPSE_TIMED(3);
#endif
		};
		goto next
	od;
look:
	if
	:: atomic { LOCKED(v) -> skip }; goto released
	:: atomic { !LOCKED(v) -> skip }
	:: CRASH -> goto killed
	fi;
	if
	:: atomic { RUNS(v) -> skip }; goto released
	:: atomic { !RUNS(v) && rec[v] == 0 && MADE_FOR(v) -> p = PLACE_OF(v) }
	:: atomic { !RUNS(v) && !(rec[v] == 0 && MADE_FOR(v)) -> skip }
	:: CRASH -> goto killed
	fi;
	release(GC, v, p);
	goto let_go;
killed:
	stays = 0;
let_go:
	LET_GO(GC);
	if
	:: atomic { !last -> v = 0; p = 0 }; goto end_gc
	:: atomic { last -> skip }
	fi;
next:
	if
	:: atomic { v < NVM -> v++; assert(vm_lock[v] == 0) };
		if
		:: atomic { LEFT(v) && !IS_YOUNG(v) -> GC_TAKES(v) }; goto look
		:: atomic { !LEFT(v) || IS_YOUNG(v) -> skip }; goto next
		fi
	:: atomic { v == NVM -> skip }
	fi;
	/* Every leak is cleared. */
	atomic {
		v = 1;
		do
		:: v <= NVM ->
			if
			:: qemu[v] == NO_QEMU ->
				assert(rec[v] == 0);
				assert(CLEAR(v, 0) && CLEAR(v, 1) && CLEAR(v, 2) && CLEAR(v, 3));
#ifdef VFIO
				assert(!(line[0] == v && holds[0]) && !(line[1] == v && holds[1]));
				assert(!(line[2] == v && holds[2]) && !(line[3] == v && holds[3]));
#endif
			:: qemu[v] == HOLDS -> assert(on[at[v] - 1] == v)
			:: else
			fi;
			v++
		:: else -> break
		od;
		assert(node_lock == 0 && gpu_lock[0] == 0 && gpu_lock[1] == 0);
		assert(vm_lock[1] == 0 && vm_lock[2] == 0 && vm_lock[3] == 0)
	};
end_all:
	false
}

/* --- QEMU, the driver, the clock, and others -------------------------------- */

#ifdef VFIO
#define LAPSE_PID(i) \
	if :: line[0] == i && holds[0] == BY_PID -> holds[0] = 0 :: else fi; \
	if :: line[1] == i && holds[1] == BY_PID -> holds[1] = 0 :: else fi; \
	if :: line[2] == i && holds[2] == BY_PID -> holds[2] = 0 :: else fi; \
	if :: line[3] == i && holds[3] == BY_PID -> holds[3] = 0 :: else fi
#else
#define LAPSE_PID(i)	skip
#endif
/* Nobody else's, and nobody else has it. */
#define TAKES_IT(i) \
	if \
	:: !PRESENT(i, at[i] - 1) -> qemu[i] = NO_QEMU; at[i] = 0; LAPSE_PID(i) \
	:: else -> assert(on[at[i] - 1] == i); assert(!OPEN(at[i] - 1)); qemu[i] = HOLDS; due[at[i] - 1] = 0 \
	fi

#define QEMU(i) \
	:: atomic { !last && qemu[i] == LAUNCHED -> qemu[i] = SEEN } \
	:: atomic { !last && (qemu[i] == LAUNCHED || qemu[i] == SEEN) -> qemu[i] = NO_QEMU; at[i] = 0; LAPSE_PID(i) } \
	:: atomic { !last && qemu[i] == SEEN -> TAKES_IT(i) } \
	:: atomic { !last && qemu[i] == HOLDS -> qemu[i] = EXITING; LAPSE_PID(i) } \
	:: atomic { !last && qemu[i] == EXITING -> qemu[i] = NO_QEMU; LETS_GO_OF(at[i] - 1); at[i] = 0 }
#define GRACE_ENDS(i) \
	:: atomic { !last && young[i] && qemu[i] != LAUNCHED -> young[i] = 0 }
#ifdef VFIO
#define RECORD_LOST(i)
#else
#define RECORD_LOST(i) \
	:: atomic { !last && rec[i] && !cfg[i] && !vm_lock[i] && qemu[i] != LAUNCHED -> FORGET(i) }
#endif
#ifdef NO_SELFCLEAN
#define LETS_GO_OF(p)	skip
#define DRIVER(p)
#else
#define LETS_GO_OF(p)	due[p] = 1
#define DRIVER(p) \
	:: atomic { !last && due[p] -> due[p] = 0 } \
	:: atomic { !last && due[p] -> due[p] = 0; on[p] = 0 }
#endif
#ifdef VFIO
#define LINE_LAPSES(p) \
	:: atomic { !last && holds[p] == TIMED && line[p] != OTHER && \
		qemu[line[p]] != LAUNCHED && qemu[line[p]] != SEEN && !vm_lock[line[p]] -> holds[p] = 0 }
#ifdef BLIND_ADMIN
#define MAY_MAKE(p)	(on[p] == 0)
#else
#define MAY_MAKE(p)	(on[p] == 0 && line[p] == 0 && !RECORDED(p))
#endif
#ifdef STEAL_OPEN
#define MAY_STEAL(p)	true
#else
#define MAY_STEAL(p)	(!OPEN(p))
#endif
#ifdef NO_OTHER_VM
#define ANOTHER_VM(p)
#else
#define ANOTHER_VM(p) \
	:: atomic { !last && LINES_FREE && other == 0 && on[p] != OTHER && MAY_STEAL(p) && !LINE_OF_OTHER(OTHER, p) -> \
		line[p] = OTHER; holds[p] = TIMED; other = p + 1 } \
	:: atomic { !last && other == p + 1 && on[p] != OTHER && !OPEN(p) -> on[p] = OTHER; due[p] = 0 } \
	:: atomic { !last && LINES_FREE && other == p + 1 && on[p] == OTHER && !other_holds -> \
		assert(!OPEN(p)); other_holds = 1; holds[p] = BY_PID } \
	:: atomic { !last && other == p + 1 && other_holds -> other_holds = 0 } \
	:: atomic { !last && LINES_FREE && other == p + 1 && !other_holds -> \
		if :: !OPEN(p) -> on[p] = 0; due[p] = 0 :: else fi; line[p] = 0; holds[p] = 0; other = 0 }
#endif
#define IS_ANOTHER_VMS(p) (other == p + 1)
#else
#define LINE_LAPSES(p)
#define ANOTHER_VM(p)
#define MAY_MAKE(p)	(on[p] == 0)
#define IS_ANOTHER_VMS(p) false
#endif
#define STRANGER(p) \
	:: atomic { !last && strangers < STRANGERS && MAY_MAKE(p) -> on[p] = OTHER; strangers++ } \
	:: atomic { !last && on[p] == OTHER && !IS_ANOTHER_VMS(p) -> on[p] = 0; strangers-- }

proctype world()
{
end_world:
	do
	QEMU(1) QEMU(2) QEMU(3)
	GRACE_ENDS(1) GRACE_ENDS(2) GRACE_ENDS(3)
	RECORD_LOST(1)
	DRIVER(0) DRIVER(1) DRIVER(2) DRIVER(3)
	LINE_LAPSES(0) LINE_LAPSES(1) LINE_LAPSES(2) LINE_LAPSES(3)
	ANOTHER_VM(0) ANOTHER_VM(1) ANOTHER_VM(2) ANOTHER_VM(3)
	STRANGER(0) STRANGER(1) STRANGER(2) STRANGER(3)
	od
}

init {
	atomic {
		run world(); run gc();
		run vm(1)
	}
}
