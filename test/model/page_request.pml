/*
 * page_request.pml: the life of a page request, for spin.
 *
 * Two threads fault on the two pages of one pager-backed VMO.  The pager's process has two threads: one reads the port and
 * answers, the other supplies or fails unasked, detaches, or closes everything as a process that dies does.  Another thread of
 * the clients kills them, wakes them without a reason, and unmaps the VMO.  Names are those of kern/vm/page_request.c,
 * user_source.c, pager.c and kern/ipc/port.c; docs/model.md maps them, and says what is left out.
 *
 * The one idea: a step (atomic) is what the code does under one take of a lock, together with what it does under locks
 * it holds already.  Between any two steps the others run, as they would on other harts.  Every process ends by itself, so
 * "nobody sleeps for ever" is that no run stops before all have ended, and that no run goes in circles.
 *
 * Invariant: request[r] is touched only while on_stack: before, and after, its thread uses the room for something else.
 * Locks: the family lock is a variable where it is held for more than a step.  The source's lock and port.lock never are.
 */

#include "rendezvous.pml"

/* --- The clients. --- */

/* try_fault, and source_getpages: request[me].on_stack says whether to wait.  Within a step. */
inline try_fault(me, page, pages, result)
{
    if
    :: !mapped -> result = NOT_FOUND
    :: mapped && resident[page] -> result = PAGE_THERE
    :: mapped && !resident[page] && detached -> result = BAD_STATE
    :: else ->
        page_request_arm(me, page, (pages == 2 && !resident[1] -> 2 : 1));
        if
        :: request[me].head != NOBODY -> skip
        :: request[me].head == NOBODY && packet_busy && planted != SEND_THOUGH_BUSY ->
            happens("a request waits in line");
            pending[pendings] = me;
            pendings++
        :: else -> send_request(me)
        fi
    fi
}

/* The thread leaves wait(): nothing may know its request any more.  Within a step. */
inline leave_stack(me)
{
    request[me].on_stack = false;
    assert(speaks_for != me && !request[me].linked);
    do
    :: other < FAULTERS ->
        assert(!hangs_on(other, me) && (other >= pendings || pending[other] != me));
        other++
    :: else -> break
    od;
    other = 0;
    request[me].head = 0;
    request[me].first = 0;
    request[me].count = 0;
    request[me].needed = 0;
    request[me].remaining = 0;
    request[me].status = 0;
    request[me].done = false;
    vmo_unref()
}

/*
 * A round of wait(), with the family lock: another follows if the request is still on the stack.  All unparks until now
 * are one: as many as can be are lost.  Within a step.
 */
inline look_again(me, result)
{
    permit[me] = false;
    if
    :: request[me].done || planted == NO_SECOND_LOOK ->
        result = request[me].status;
        leave_stack(me)
    :: !request[me].done && planted != NO_SECOND_LOOK && killed[me] ->
        happens("is killed in its wait");
        cancel(me);
        result = CANCELED;
        leave_stack(me)
    :: else -> happens("woken for nothing")
    fi
}

/* vm_fault, or sys_vmo_read of two pages, with page_request_resolve. */
proctype Faulter(byte me; byte page; byte pages)
{
    mtype result = OK;

    do
    :: atomic { result == OK && !request[me].on_stack && !family -> try_fault(me, page, pages, result) }
    :: request[me].on_stack ->
        if
        :: killed[me] -> atomic { !family -> look_again(me, result) }
        :: atomic { !killed[me] && planted == UNPARK_SLEEPERS_ONLY -> skip };
            asleep[me] = true;
            atomic { permit[me] && !family -> asleep[me] = false; look_again(me, result) }
        :: atomic { !killed[me] && planted != UNPARK_SLEEPERS_ONLY -> skip };
            atomic { permit[me] && !family -> look_again(me, result) }
        fi
    :: atomic { result != OK ->
            if
            :: result == IO -> happens("fails with what the pager said")
            :: result == PAGE_THERE -> happens("gets its page")
            :: result == BAD_STATE -> happens("finds nobody who serves it")
            :: else
            fi;
            permit[me] = false;
            faults_over++;
            break }
    od
}

/*
 * Another thread of the clients: a kill is a flag and an unpark; the watch on slow pagers unparks alone; the VMO may be
 * unmapped under the waiters, and is at the end.
 */
proctype Client(byte who)
{
    if
    :: true
    :: atomic { true -> thread_unpark(who) }
    :: atomic { true -> killed[who] = true };
        atomic { thread_unpark(who) }
    :: goto unmap
    fi;
    faults_over == FAULTERS;
unmap:
    atomic {
        mapped = false;
        vmo_unref();
        others_over++
    }
}

/* --- The pager's process. --- */

#define answerable (vmo_handle && !family && !detached && faults_over < FAULTERS)

/* splice_in: the slots that were empty are filled, [begin, begin + filled).  Of two pages that is one stretch at most. */
inline splice_in(from, end)
{
    begin = from;
    do
    :: begin < end && resident[begin] ->
        happens("supplied over a page");
        begin++
    :: else -> break
    od;
    do
    :: begin + filled < end && !resident[begin + filled] ->
        resident[begin + filled] = true;
        filled++
    :: else -> break
    od;
    if
    :: filled > 0 -> begin_walk()
    :: else
    fi
}

/*
 * pager_supply_pages or pager_fail_pages of [from, end), through the handle of the VMO, while it matters to somebody.  The
 * range is empty afterwards.
 */
inline end_of_answer(from, end)
{
    from = 0;
    end = 0;
    vmo_unref()
}

inline answer(from, end, more)
{
    if
    :: atomic { answerable ->
            vmo_references++;
            splice_in(from, end);
            complete_one(begin, begin + filled, OK, more) };
        do
        :: atomic { more -> complete_one(begin, begin + filled, OK, more) }
        :: atomic { !more -> end_of_answer(from, end); break }
        od
    :: atomic { answerable ->
            vmo_references++;
            begin_walk();
            complete_one(from, end, IO, more) };
        do
        :: atomic { more -> complete_one(from, end, IO, more) }
        :: atomic { !more -> end_of_answer(from, end); break }
        od
    :: atomic { !family && (!vmo_handle || detached || faults_over == FAULTERS) ->
            happens("answered too late");
            from = 0;
            end = 0 }
    fi
}

/* Reads the port.  What it was asked for it answers some time, at once or page by page, before or after the next packet. */
proctype Reader()
{
    bool owed[PAGES], asked[PAGES], more;
    byte from, end;

end_idle:
    do
    :: atomic { queued ->                               /* port_wait */
            if
            :: command == READ ->
                asked[0] = packet_first == 0;
                asked[1] = packet_first + packet_count == 2
            :: else -> happens("COMPLETE is read")
            fi;
            unlink_packet() };
        atomic {
            packet_dequeued();
            owed[0] = owed[0] || asked[0];
            owed[1] = owed[1] || asked[1];
            asked[0] = false;
            asked[1] = false }
    :: atomic { owed[0] || owed[1] ->
            if
            :: owed[0] -> end = 1
            :: owed[1] -> from = 1; end = 2
            :: owed[0] && owed[1] -> end = 2
            fi;
            owed[0] = owed[0] && from == 1;
            owed[1] = owed[1] && end == 1;
            if
            :: planted == UNPARK_BEFORE_LOCK ->
                permit[0] = true;
                permit[1] = true
            :: else
            fi };
        answer(from, end, more)
    :: atomic { port_closed && !queued && !owed[0] && !owed[1] -> break }
    od
}

inline port_unreachable()
{
    if
    :: atomic { queued ->
            happens("a packet ends with its port");
            port_closed = true;
            unlink_packet() };
        atomic { packet_dequeued() }
    :: atomic { !queued -> port_closed = true }
    fi
}

inline pager_detach_vmo(more)
{
    if
    :: planted == COMPLETE_FIRST -> atomic { user_source_send_complete() }
    :: else
    fi;
    if
    :: atomic { !family ->
            detached = true;
            begin_walk();
            complete_one_of_all(more);
            resident[0] = false;
            resident[1] = false };
        do
        :: atomic { more -> complete_one_of_all(more) }
        :: atomic { !more -> user_source_send_complete(); break }
        od
    fi
}

/* pager_unreachable, with user_source_take_of_pager and user_source_close. */
inline pager_unreachable(more)
{
    if
    :: atomic { pager_lists_it && vmo_references > 0 ->
            pager_lists_it = false;
            vmo_references++ };
        atomic { !family ->
            detached = true;
            begin_walk();
            complete_one_of_all(more) };
        do
        :: atomic { more -> complete_one_of_all(more) }
        :: atomic { !more ->
                closed = planted != COMPLETE_AFTER_CLOSE;
                pager_gone = true;
                if
                :: withdrawable -> withdraw(); user_source_unref()
                :: else
                fi;
                vmo_unref();
                break }
        od
    :: !pager_lists_it || vmo_references == 0
    fi
}

/* Another thread of the pager's process.  It closes its handle of the VMO when nobody is served any more. */
proctype Manager()
{
    bool more;
    byte from, end;

    if
    :: true
    :: end = 1; answer(from, end, more)
    :: true -> pager_detach_vmo(more)
    :: true -> pager_unreachable(more); port_unreachable()
    :: true -> port_unreachable(); pager_unreachable(more)
    :: true -> pager_detach_vmo(more); pager_unreachable(more)
    fi;
    atomic { detached || faults_over == FAULTERS ->
        vmo_handle = false;
        vmo_unref();
        others_over++ }
}

/* When nothing moves any more all must be over, and nothing be left. */
init {
    c_code { now.planted = getenv("PLANT") ? atoi(getenv("PLANT")) : 0; };
    atomic {
#ifdef ONE_CASE
        run Faulter(0, 0, 2);
        run Faulter(1, 1, 1);
#else
        if                                              /* all cases but two that ask for both pages */
        :: run Faulter(0, 0, 1)
        :: run Faulter(0, 0, 2)
        fi;
        if
        :: run Faulter(1, 0, 1)
        :: run Faulter(1, 1, 1)
        fi;
#endif
        run Reader();
        run Manager();
#ifdef ONE_CASE
        run Client(1)
#else
        if
        :: run Client(0)
        :: run Client(1)
        fi
#endif
    };
    timeout;
    atomic {
        assert(faults_over == FAULTERS && others_over == 2);    /* no lost wake-up */
        assert(vmo_references == 0 && references == 0);
        assert(!family && !queued && pendings == 0);
        assert(pager_gone || port_closed || completes == 1)
    }
}
