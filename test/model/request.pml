/*
 * request.pml: what page_request.c does.  Family lock held; within a step.
 */

bool continued;                         /* page_request_arm: an early waiter came back; within a step */

#define is_head(r)      (request[r].linked && request[r].head == NOBODY)
#define hangs_on(r, of) (request[r].linked && request[r].head == of)
#define last_page(r)    (request[r].first + request[r].count - 1)
#define covers(r, page) (request[r].first <= page && page <= last_page(r))

/* Dropping a reference to the VMO; with the last one `proctype Ender` goes on. */
inline vmo_unref()
{
    assert(vmo_references > 0);
    vmo_references--
}

/* disarm: nothing may know the request any more. */
inline disarm(me)
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
    request[me].early = false;
    request[me].woken = false;
    request[me].done = false;
    request[me].kind = 0;
    request[me].status = 0;
    request[me].head = 0;
    request[me].first = 0;
    request[me].count = 0;
    request[me].needed = 0;
    request[me].remaining = 0;
    request[me].failed = 0;
    vmo_unref()
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

inline continue_early(me, page, what)
{
    if
    :: request[me].on_stack ->
        assert(request[me].early);
        continued = !request[me].done && request[me].kind == what && covers(me, page);
        if
        :: planted != NEEDED_STAYS -> request[me].needed = page
        :: else
        fi;
        if
        :: continued && planted == STALE_FAILURE -> skip
        :: continued && planted != STALE_FAILURE ->
            happens("a reader comes back to its open request");
            request[me].woken = false;
            request[me].status = OK
        :: !continued ->
            if
            :: !request[me].done -> cancel(me)
            :: else -> happens("a reader comes back when its request is over")
            fi;
            disarm(me);
            assert(vmo_references > 0)
        fi
    :: else
    fi
}

inline page_request_arm(me, page, pages, what, wakes_early)
{
    assert(other == 0);
    continue_early(me, page, what);
    if
    :: continued -> skip
    :: else ->
        vmo_references++;
        request[me].on_stack = true;
        request[me].early = wakes_early;
        request[me].kind = what;
        request[me].head = NOBODY;
        request[me].first = page;
        request[me].needed = page;
        request[me].count = pages;
        request[me].status = OK;
        do
        :: other < FAULTERS ->
            if
            :: is_head(other) && request[other].kind == what && covers(other, page) ->
                happens("a request is chained");
                request[me].head = other;
                request[me].count = MIN(request[me].count, last_page(other) + 1 - page);
                break
            :: is_head(other) && request[other].kind == what && request[other].first > page &&
               request[other].first < page + request[me].count ->
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
    fi
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

/* note, for a request and its overlaps: it counts if it covers the page that the waiter needs, and wakes who waits for that only. */
inline note(who, from, end, result)
{
    do
    :: other < FAULTERS ->
        if
        :: (other == who || hangs_on(other, who)) && from <= request[other].needed && request[other].needed < end ->
            if
            :: result != OK ->
                request[other].status = result;
                request[other].failed = request[other].needed
            :: else
            fi;
            if
            :: request[other].early && planted != NOT_WOKEN_EARLY ->
                request[other].woken = true;
                wake(other)
            :: else
            fi
        :: else
        fi;
        other++
    :: else -> break
    od;
    other = 0
}

/* The requests to look at: all heads of these kinds. */
inline begin_walk(reads, dirties)
{
    do
    :: which < FAULTERS ->
        if
        :: is_head(which) && (request[which].kind == READ && reads || request[which].kind == DIRTY && dirties) ->
            todo = todo | (1 << which)
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

/* Who waits for one page alone is awake as soon as that is there. */
#define sleeps_on(r) (waits[r] && request[r].early && slot[position[r]] != ABSENT && !request[r].done && \
                      !(request[r].woken && permit[r]))

inline end_of_step(more)
{
    which = 0;
    more = todo != 0;
    family = more;
    if
    :: !more ->
        assert(!sleeps_on(0) && !sleeps_on(1));
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
            note(which, from, end, result);
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
