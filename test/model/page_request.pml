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

#define FAULTERS 2
#define PAGES    2
#define NOBODY   FAULTERS

mtype = { READ, COMPLETE };                             /* commands */
mtype = { OK, IO, CANCELED, BAD_STATE, NOT_FOUND, PAGE_THERE };

/* Errors that test_model.py plants, one at a time, by number, to see that they are found. */
#define UNPARK_SLEEPERS_ONLY 1
#define WITHDRAW_ONLY        2
#define COMPLETE_TWICE       3
#define UNPARK_BEFORE_LOCK   4
#define FORGET_NOTHING       5
#define SUCCESSOR_NOT_LINKED 6
#define SUCCESSOR_NOT_TOLD   7
#define SEND_THOUGH_BUSY     8
#define NO_SECOND_LOOK       9
#define COMPLETE_FIRST       10
#define COMPLETE_AFTER_CLOSE 11
byte planted;

/* Tells test_model.py that something happens in some run: a model that does nothing has no errors. */
c_decl {
    static void see(const char *name)
    {
        static const char *seen[64];
        int i = 0;

        while (seen[i] && strcmp(seen[i], name))
            i++;
        if (!seen[i]) {
            seen[i] = name;
            printf("seen: %s\n", name);
        }
    }
}
#define happens(name) c_code { see(name); }

#define MIN(a, b) ((a) < (b) -> (a) : (b))
#define MAX(a, b) ((a) > (b) -> (a) : (b))

/* --- Threads: a permit, and the wish that they leave. --- */

bool permit[FAULTERS];
bool killed[FAULTERS];
byte faults_over;
byte others_over;

bool asleep[FAULTERS];                  /* for an error: without permits, who is not asleep yet is not woken */

inline thread_unpark(thread)
{
    if
    :: planted == UNPARK_SLEEPERS_ONLY -> permit[thread] = asleep[thread]
    :: else -> permit[thread] = true
    fi
}

/* --- The VMO. --- */

bool mapped = true;                     /* by the clients */
bool vmo_handle = true;                 /* the pager's */
byte vmo_references = 2;                /* those two, armed requests, calls under way */

bool family;                            /* the lock: all of the next */
bool resident[PAGES];
bool detached;

typedef page_request {
    bool on_stack;                      /* its thread is in wait(), or about to be */
    bool linked;                        /* in vmo->requests, or in the list of its head */
    byte head;
    byte first;
    byte count;
    byte needed;
    byte remaining;
    mtype status;
    bool done
};
page_request request[FAULTERS];

/* What the holder of the family lock works with, 0 when nobody holds it. */
byte todo;                              /* a bit for each request to be looked at */
byte which, other, begin, filled;

/* --- The source, and the port: one packet, since one VMO uses it. --- */

bool pager_lists_it = true;             /* linked in all_sources */
byte references = 1;                    /* of the source: the VMO and the packet */
bool packet_busy;
byte speaks_for = NOBODY;               /* source->active */
byte pending[FAULTERS];                 /* oldest first */
byte pendings;
bool complete_wanted;
bool complete_sent;
bool closed;

bool queued;
bool port_closed;
mtype command;                          /* of the packet, while it is queued */
byte packet_first;
byte packet_count;
byte completes;                         /* COMPLETE packets ever queued */
bool pager_gone;

byte at, next, successor;               /* within a step */

/* --- user_source.c: the packet.  All within a step. --- */

inline unlink_packet()
{
    queued = false;
    command = 0;
    packet_first = 0;
    packet_count = 0
}

/* With port_queue_packet. */
inline send(what, from, pages)
{
    assert(!queued);                                    /* one packet of a VMO in the port, ever */
    if
    :: !port_closed ->
        assert(completes == 0 && !pager_gone);            /* nothing after COMPLETE, nothing after the pager's end */
        command = what;
        packet_first = from;
        packet_count = pages;
        queued = true;
        packet_busy = true;
        references++
    :: else -> happens("queued to a closed port")
    fi
}

inline send_request(who)
{
    assert(request[who].on_stack && !request[who].done);
    speaks_for = who;
    send(READ, request[who].first, request[who].count);
    if
    :: !packet_busy -> speaks_for = NOBODY
    :: else
    fi
}

/* Take pending[place] out. */
inline remove_pending(place)
{
    at = place;
    pendings--;
    do
    :: at < pendings ->
        pending[at] = pending[at + 1];
        at++
    :: else -> break
    od;
    pending[pendings] = 0;
    at = 0
}

inline send_next()
{
    if
    :: pendings > 0 ->
        happens("a request moves up from the line");
        next = pending[0];
        remove_pending(0);
        send_request(next);
        next = 0
    :: pendings == 0 && complete_wanted && !closed ->
        complete_wanted = false;
        complete_sent = true;
        send(COMPLETE, 0, 0);
        if
        :: queued -> completes++
        :: else
        fi
    :: else
    fi
}

inline user_source_unref()
{
    assert(references > 0);
    references--
}

inline packet_dequeued()
{
    assert(references > 0);
    packet_busy = false;
    if
    :: speaks_for != NOBODY ->
        assert(request[speaks_for].on_stack);
        speaks_for = NOBODY
    :: else -> happens("a packet is read that speaks for nobody")
    fi;
    send_next();
    user_source_unref()
}

/* With port_withdraw. */
#define withdrawable (packet_busy && queued)
inline withdraw()
{
    happens("a packet is withdrawn");
    unlink_packet();
    packet_busy = false
}

/* --- user_source.c: as a source of pages.  Family lock held; within a step. --- */

/* source_forget. */
inline forget(who, heir)
{
    assert(references > 0 && request[who].on_stack);
    if
    :: speaks_for == who && heir != NOBODY ->
        happens("a successor takes the packet over");
        speaks_for = heir
    :: speaks_for == who && heir == NOBODY ->
        speaks_for = NOBODY;
        if
        :: withdrawable ->
            withdraw();
            if
            :: planted == WITHDRAW_ONLY
            :: else -> send_next()
            fi;
            user_source_unref();
            assert(references > 0)                      /* never the last: the VMO has one */
        :: else -> happens("too late to withdraw")
        fi
    :: else ->
        do
        :: at < pendings && pending[at] != who -> at++
        :: else -> break
        od;
        if
        :: at < pendings && heir != NOBODY ->
            pending[at] = heir
        :: at < pendings && heir == NOBODY ->
            happens("a request leaves the line");
            remove_pending(at)
        :: else -> happens("a request ends that the pager has read")
        fi;
        at = 0
    fi
}

/* The caller holds no lock. */
inline user_source_send_complete()
{
    assert(references > 0);
    if
    :: (!complete_sent || planted == COMPLETE_TWICE) && !complete_wanted && !closed ->
        complete_wanted = true;
        if
        :: !packet_busy -> send_next()
        :: else -> happens("COMPLETE waits for the packet")
        fi
    :: else -> happens("COMPLETE is not sent again")
    fi
}

/* --- page_request.c.  Family lock held; within a step. --- */

#define is_head(r)      (request[r].linked && request[r].head == NOBODY)
#define hangs_on(r, of) (request[r].linked && request[r].head == of)
#define last_page(r)    (request[r].first + request[r].count - 1)

/* Its source has not been asked. */
inline page_request_arm(me, page, pages)
{
    assert(!request[me].on_stack && other == 0);
    vmo_references++;
    request[me].on_stack = true;
    request[me].head = NOBODY;
    request[me].first = page;
    request[me].needed = page;
    request[me].count = pages;
    request[me].status = OK;
    request[me].done = false;
    do
    :: other < FAULTERS ->
        if
        :: is_head(other) && request[other].first <= page && page <= last_page(other) ->
            happens("a request is chained");
            request[me].head = other;
            request[me].count = MIN(request[me].count, last_page(other) + 1 - page);
            break
        :: is_head(other) && request[other].first > page && request[other].first < page + request[me].count ->
            happens("a request is clipped");
            request[me].count = request[other].first - page
        :: else
        fi;
        other++
    :: else -> break
    od;
    request[me].remaining = request[me].count;
    request[me].linked = true;
    other = 0
}

inline finish(who)
{
    assert(request[who].on_stack && request[who].linked && !request[who].done);
    request[who].linked = false;
    request[who].done = true
}

inline wake(who)
{
    assert(request[who].on_stack);                      /* the thread's name is in it */
    if
    :: planted == UNPARK_BEFORE_LOCK
    :: else -> thread_unpark(who)
    fi
}

inline finish_with_overlaps(who)
{
    if
    :: planted == FORGET_NOTHING
    :: else -> forget(who, NOBODY)
    fi;
    do
    :: other < FAULTERS ->
        if
        :: hangs_on(other, who) ->
            happens("an overlap completes with its head");
            finish(other);
            wake(other)
        :: else
        fi;
        other++
    :: else -> break
    od;
    other = 0;
    finish(who);
    wake(who)
}

/* note_failure: it counts for a request if it covers the page that the waiter needs. */
inline note_failure(who, from, end, result)
{
    do
    :: result != OK && other < FAULTERS ->
        if
        :: (other == who || hangs_on(other, who)) && from <= request[other].needed && request[other].needed < end ->
            request[other].status = result
        :: else
        fi;
        other++
    :: else -> break
    od;
    other = 0
}

/* The requests to look at: all heads. */
inline begin_walk()
{
    do
    :: which < FAULTERS ->
        if
        :: is_head(which) -> todo = todo | (1 << which)
        :: else
        fi;
        which++
    :: else -> break
    od;
    which = 0
}

/* One of them, any; then, are there more?  The family lock is kept if so. */
inline next_of_walk()
{
    do
    :: todo & (1 << which) -> break
    :: todo & (255 << (which + 1)) -> which++
    od;
    todo = todo & ~(1 << which)
}

inline end_of_step(more)
{
    which = 0;
    more = todo != 0;
    family = more;
    if
    :: !more ->
        begin = 0;
        filled = 0
    :: else
    fi
}

/* vmo_complete_range for one request. */
inline complete_one(from, end, result, more)
{
    if
    :: todo != 0 ->
        next_of_walk();
        assert(request[which].on_stack);
        if
        :: from <= last_page(which) && request[which].first < end ->
            note_failure(which, from, end, result);
            request[which].remaining = request[which].remaining -
                MIN(MIN(end, last_page(which) + 1) - MAX(from, request[which].first), request[which].remaining);
            if
            :: request[which].remaining == 0 -> finish_with_overlaps(which)
            :: else -> happens("a request is answered in part")
            fi
        :: else
        fi
    :: else
    fi;
    end_of_step(more)
}

/* vmo_complete_all. */
inline complete_one_of_all(more)
{
    if
    :: todo != 0 ->
        next_of_walk();
        happens("a request ends with the service");
        finish_with_overlaps(which)
    :: else
    fi;
    end_of_step(more)
}

/* The waiter gives up. */
inline cancel(me)
{
    happens("a waiter gives up");
    request[me].linked = false;
    successor = NOBODY;
    do
    :: other < FAULTERS ->
        if
        :: hangs_on(other, me) && successor == NOBODY ->
            successor = other;
            request[other].head = NOBODY;
            request[other].first = request[me].first;
            request[other].count = request[me].count;
            request[other].remaining = request[me].remaining
        :: hangs_on(other, me) && successor != NOBODY ->
            request[other].head = successor
        :: else
        fi;
        other++
    :: else -> break
    od;
    other = 0;
    if
    :: successor != NOBODY && planted == SUCCESSOR_NOT_LINKED -> request[successor].linked = false
    :: successor != NOBODY && planted == SUCCESSOR_NOT_TOLD -> successor = NOBODY
    :: else
    fi;
    if
    :: request[me].head != NOBODY -> happens("an overlap gives up")
    :: else -> forget(me, successor)
    fi;
    successor = 0
}

/* --- References to the VMO. --- */

/* With the last one: vmo_destroy and source_detach.  The end of a step: nobody can tell whether it was a step of its own. */
inline vmo_unref()
{
    assert(vmo_references > 0);
    vmo_references--;
    if
    :: vmo_references == 0 ->
        happens("the VMO ends");
        do
        :: other < FAULTERS ->
            assert(!request[other].on_stack);
            other++
        :: else -> break
        od;
        other = 0;
        pager_lists_it = false;
        user_source_send_complete();
        user_source_unref()
    :: else
    fi
}

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
        if                                              /* up to symmetry */
        :: run Faulter(0, 0, 1)
        :: run Faulter(0, 0, 2)
        fi;
        if
        :: run Faulter(1, 0, 1)
        :: run Faulter(1, 1, 1)
        fi;
        run Reader();
        run Manager();
        if
        :: run Client(0)
        :: run Client(1)
        fi
    };
    timeout;
    atomic {
        assert(faults_over == FAULTERS && others_over == 2);    /* no lost wake-up */
        assert(vmo_references == 0 && references == 0);
        assert(!family && !queued && pendings == 0);
        assert(pager_gone || port_closed || completes == 1)
    }
}
