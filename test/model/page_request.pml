/*
 * page_request.pml: the life of a page request, for spin.
 *
 * Two threads fault on, read or write pages of one pager-backed VMO.  The pager's process has two threads: one reads the
 * port and answers, the other supplies, fails, evicts, detaches, or closes everything as a process that dies does.  Another thread
 * of the clients kills them, wakes them without a reason, and unmaps the VMO.  Names are those of kern/vm/page_request.c,
 * user_source.c, pager.c and kern/ipc/port.c; docs/model.md maps them, and says which part covers what, and what is left out.
 *
 * The one idea: a step (atomic) is what the code does under one take of a lock, together with what it does under locks
 * it holds already.  Between any two steps the others run, as they would on other harts.  Every process ends by itself, so
 * "nobody sleeps for ever" is that no run stops before all have ended, and that no run goes in circles.
 *
 * Invariant: request[r] is touched only while on_stack: before, and after, its thread uses the room for something else.
 * Locks: the family lock and sources_lock are variables where they are held for more than a step.  The source's lock and
 * port.lock never are.
 */

#include "state.pml"
#include "source.pml"
#include "request.pml"

byte others_left;                       /* processes that are to end, other than faulters */

#include "pager_process.pml"

/* --- The clients. --- */

/* How many pages of this kind there are from this one on, up to `end`. */
inline measure(from, end, kind)
{
    stretch = 1;
    do
    :: from + stretch < end && slot[from + stretch] == kind -> stretch++
    :: else -> break
    od
}

/* try_fault, or copy_within_page; with vmo_get_page.  Within a step. */
inline look_up(me, end, write, call, early, result)
{
    if
    :: !call && !mapped -> result = NOT_FOUND
    :: else ->
        if
        :: slot[position[me]] == ABSENT ->
            measure(position[me], end, ABSENT);
            ask(me, position[me], stretch, READ, early, result);
            stretch = 0;
            waits[me] = result == OK
        :: slot[position[me]] == IS_CLEAN && write ->
            measure(position[me], end, IS_CLEAN);
            ask(me, position[me], stretch, DIRTY, early, result);
            stretch = 0;
            waits[me] = result == OK
        :: else ->
            position[me]++;
            if
            :: position[me] == end -> result = PAGE_THERE
            :: else
            fi
        fi
    fi
}

/* The wait ends with this, and the request with it. */
inline leave(me, result)
{
    assert(request[me].status != IO || result != IO || request[me].failed == position[me]); /* not of a page it had */
    waits[me] = false;
    disarm(me)
}

/* A round of wait(), with the family lock.  All unparks until now are one: as many as can be are lost.  Within a step. */
inline look_again(me, result)
{
    permit[me] = false;
    if
    :: request[me].done || planted == NO_SECOND_LOOK ->
        result = request[me].status;
        leave(me, result)
    :: else ->
        if
        :: request[me].woken && request[me].status == OK ->
            happens("a reader goes on early");
            request[me].woken = false;
            waits[me] = false
        :: request[me].woken && request[me].status != OK ->
            happens("a reader hears of a failure early");
            result = request[me].status;
            cancel(me);
            leave(me, result)
        :: !request[me].woken && killed[me] ->
            happens("is killed in its wait");
            cancel(me);
            result = CANCELED;
            leave(me, result)
        :: else -> happens("woken for nothing")
        fi
    fi
}

/* page_request_end, and the end of the call or fault.  Within a step. */
inline end_of_fault(me, call)
{
    if
    :: request[me].on_stack && planted != OPEN_AT_THE_END ->
        if
        :: !request[me].done -> happens("an open request is given up"); cancel(me)
        :: else -> happens("an open request is over")
        fi;
        disarm(me)
    :: request[me].on_stack && planted == OPEN_AT_THE_END -> request[me].on_stack = false
    :: else
    fi;
    if
    :: call -> vmo_unref()
    :: else
    fi;
    permit[me] = false;
    position[me] = 0;
    faults_over++
}

/* vm_fault, or a system call that reads or writes pages up to `end`, with page_request_resolve. */
proctype Faulter(byte me; byte end; bool write; bool call; bool early)
{
    mtype result = OK;

    do
    :: atomic { result == OK && !waits[me] && !family -> look_up(me, end, write, call, early, result) }
    :: atomic { result == OK && !waits[me] && call && killed[me] -> result = CANCELED }
    :: waits[me] ->
        if
        :: killed[me] -> atomic { !family -> look_again(me, result) }
        :: atomic { !killed[me] && planted == UNPARK_SLEEPERS_ONLY -> skip };
            asleep[me] = true;
            atomic { permit[me] && !family -> asleep[me] = false; look_again(me, result) }
        :: atomic { !killed[me] && planted != UNPARK_SLEEPERS_ONLY -> skip };
            atomic { permit[me] && !family -> look_again(me, result) }
        fi
    :: atomic { result != OK && (!family || !request[me].on_stack) ->
            if
            :: result == IO -> happens("fails with what the pager said")
            :: result == PAGE_THERE && write -> happens("may write")
            :: result == PAGE_THERE && !write -> happens("gets its page")
            :: result == BAD_STATE -> happens("finds nobody who serves it")
            :: else
            fi;
            end_of_fault(me, call);
            break }
    od
}

/*
 * Another thread of the clients: a kill is a flag and an unpark; the watch on slow pagers unparks alone; the VMO may be
 * unmapped under the waiters, and is at the end.
 */
proctype Client()
{
    byte who;

    if
    :: true
    :: atomic { part == READS -> thread_unpark(who) }
    :: atomic { part != CLOSING ->
            if
            :: true
            :: who = 1
            fi;
            killed[who] = true };
        atomic { thread_unpark(who); who = 0 }
    :: part == READS || part == CLOSING -> goto unmap
    fi;
    faults_over == FAULTERS;
unmap:
    atomic {
        mapped = false;
        vmo_unref();
        others_left--
    }
}

/* The end of the VMO: vmo_destroy with source_detach; then that of the source: the end of user_source_unref. */
proctype Ender()
{
    byte withdrawn;

    atomic { vmo_references == 0 && !family ->
        happens("the VMO ends");
        assert(!request[0].on_stack && !request[1].on_stack);
        in_family = false };
    atomic { !sources -> source_vmo = false };
    atomic { send_complete(withdrawn) };
    atomic { drop_withdrawn(withdrawn); user_source_unref() };
    atomic { references == 0 -> skip };
    atomic { !sources ->
        assert(references == 0);
        listed = false;
        freed = true;
        others_left-- }
}

/* --- The kernel, short of memory or with its budget used up: reclaim's `may_go`, or press. --- */

proctype Clock(bool presses; byte pages)
{
    bool unread;
    byte times = (presses -> 2 : 1);

    do
    :: times > 0 && !presses ->
        if
        :: atomic { !family && in_family -> family = true; ask_writeback(pages, unread) };
            atomic { drop_after_merge(unread); family = false; times-- }
        :: atomic { !in_family -> times = 0 }
        fi
    :: times > 0 && presses ->
        if
        :: atomic { !sources && listed && source_vmo -> sources = true; ask_writeback(pages, unread) };
            atomic { drop_after_merge(unread); sources = false; times-- }
        :: atomic { !listed || !source_vmo -> times = 0 }
        fi
    :: atomic { times == 0 -> others_left--; break }
    od
}

/* The end of pager_create_vmo: user_source_list, and what the caller does with the VMO, which is nothing. */
proctype Maker()
{
    atomic { !sources ->
        if
        :: pager_closed && planted != LISTED_THOUGH_CLOSED ->
            happens("a VMO is refused, as its pager is closed");
            closed = planted != REFUSED_BUT_OPEN
        :: else ->
            listed = true;
            source_vmo = true
        fi };
    atomic { vmo_unref(); others_left-- }
}

/* Nobody faults. */
inline begin_creation()
{
    faults_over = FAULTERS;
    listed = false;
    source_vmo = false;
    mapped = false;
    vmo_handle = false;
    vmo_references = 1;
    others_left++;
    run Maker()
}

inline fault(me, first, last, write, call, early)
{
    position[me] = first;
    vmo_references = vmo_references + (call -> 1 : 0);
    run Faulter(me, last + 1, write, call, early)
}

/* One reader. */
inline begin_writeback()
{
    faults_over = 1;
    mapped = false;
    vmo_references = 1;
    fault(0, 0, 0, false, true, false);
    others_left = others_left + 2;
    run Clock(false, 1);
    run Clock(true, 3)
}

/* All cases but two that ask for both pages. */
inline begin_reads()
{
    if
#ifndef ONE_CASE
    :: fault(0, 0, 0, false, false, false)
#endif
    :: fault(0, 0, 1, false, true, false)
    fi;
    if
#ifndef ONE_CASE
    :: fault(1, 0, 0, false, false, false)
#endif
    :: fault(1, 1, 1, false, false, false)
    fi
}

/* Two writers; both pages are there, or the first. */
inline begin_writes()
{
    slot[0] = IS_CLEAN;
    if
#ifndef ONE_CASE
    :: slot[1] = IS_CLEAN; fault(0, 0, 1, true, true, false); fault(1, 1, 1, true, false, false)
    :: slot[1] = IS_CLEAN; fault(0, 0, 1, true, true, false); fault(1, 0, 0, true, false, false)
#endif
    :: fault(0, 0, 0, true, false, false); fault(1, 1, 1, true, false, false)
    fi
}

/* A reader of two pages, and another reader, or a fault; or one of three pages, alone. */
inline begin_early()
{
    if
    :: fault(0, 0, 2, false, true, true); faults_over = 1
#ifndef ONE_CASE
    :: fault(0, 0, 1, false, true, true); fault(1, 0, 1, false, true, true)
    :: fault(0, 0, 1, false, true, true); fault(1, 1, 1, false, false, false)
#endif
    fi
}

/* Two faults, on one page each. */
inline begin_closing()
{
    fault(0, 0, 0, false, false, false);
    fault(1, 1, 1, false, false, false)
}

/* When nothing moves any more all must be over, and nothing be left. */
init {
    c_code {
        now.planted = getenv("PLANT") ? atoi(getenv("PLANT")) : 0;
        now.part = getenv("PART") ? atoi(getenv("PART")) : 0;
    };
    atomic {
        others_left = 2;
        run Reader();
        run Manager();
        run Ender();
        if
        :: part == CREATION -> begin_creation()
        :: part == WRITEBACK -> begin_writeback()
        :: else ->
            if
            :: part == READS -> begin_reads()
            :: part == WRITES -> begin_writes()
            :: part == EARLY -> begin_early()
            :: part == CLOSING -> begin_closing()
            fi;
            others_left++;
            run Client()
        fi
    };
    timeout;
    atomic {
        assert(faults_over == FAULTERS && others_left == 0);    /* no lost wake-up */
        assert(vmo_references == 0 && references == 0 && freed);
        assert(!family && !sources && !queued && !writeback_queued && pendings == 0);
        assert(pager_gone || port_closed || completes == 1)
    }
}
