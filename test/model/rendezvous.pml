/*
 * rendezvous.pml: the state of one VMO, its source and the port, and what page_request.c and user_source.c do with it.
 *
 * Every inline is a part of a step; those who use it (page_request.pml) say where steps end.
 *
 * Locks: what the family lock guards is touched by its holder alone; what the source's lock guards, within a step.
 */

#define FAULTERS 2
#define PAGES    2
#define NOBODY   FAULTERS

mtype = { READ, COMPLETE };                             /* commands */
mtype = { OK, IO, CANCELED, BAD_STATE, NOT_FOUND, PAGE_THERE };

/* Errors that spin_model.py plants, one at a time, by number, to see that they are found. */
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

/* Tells spin_model.py that something happens in some run: a model that does nothing has no errors. */
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
