/*
 * budget.pml: how a writer waits for the dirty budget, for spin.
 *
 * Two writers of one pager's VMO, which may have one dirty page of its own, and all pagers two together; the pager, and another one,
 * write their pages back some time, or the VMO is detached, or its pager closed.  Names are those of kern/vm/dirty_budget.c,
 * kern/vm/user_source.c (source_throttle) and kern/task/wait_queue.c; docs/model.md maps them.
 *
 * The one idea: as in page_request.pml, a step is what the code does under one take of a lock.  No wait has a time limit here, though
 * it has one in the kernel: wake-ups do without it.
 */

#define WRITERS 2

/* Errors that spin_model.py plants, as in state.pml. */
#define NOT_SEEN      101                               /* in BUDGET */
#define DETACH_SILENT 102                               /* in BUDGET */
#define OWN_ALONE     103                               /* in BUDGET */
#define WAKE_ONE      104                               /* in BUDGET */
byte planted;

c_decl {
    static void see(const char *name)
    {
        static const char *seen[16];
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

bool detached;                          /* family lock */

/* budget_lock. */
byte dirty[2];                          /* of the two pagers */
byte changes;
bool sleeping[WRITERS];                 /* in the queue */

bool permit[WRITERS];
bool asked;                             /* for write-back: press */
byte writers_over;

#define is_full (dirty[0] >= 1 && dirty[0] + dirty[1] >= 2)

inline wake(who)
{
    permit[who] = permit[who] || sleeping[who];
    sleeping[who] = false
}

/* dirty_budget_count of pages that are dirty no more (or of none). */
inline count(pager, pages)
{
    dirty[pager] = dirty[pager] - pages;
    changes++;
    if
    :: planted == OWN_ALONE && pager == 1
    :: planted == WAKE_ONE && sleeping[0] -> wake(0)
    :: else -> wake(0); wake(1)
    fi
}

/* ask_to_dirty with source_throttle, and page_request_settle with dirty_budget_wait; this writer dirties so many pages. */
proctype Writer(byte me; byte pages)
{
    byte seen;
    bool throttled;

    do
    :: pages == 0 -> break
    :: pages > 0 ->
        atomic {
            throttled = !detached && is_full;
            seen = changes;
            if
            :: throttled -> happens("a writer is throttled"); asked = true
            :: else -> dirty[0]++; pages--
            fi };
        if
        :: atomic { throttled && changes != seen && planted != NOT_SEEN -> happens("the budget changes before the wait"); throttled = false }
        :: atomic { throttled && (changes == seen || planted == NOT_SEEN) -> sleeping[me] = true };
            do
            :: atomic { permit[me] -> permit[me] = false };
                if
                :: atomic { !sleeping[me] -> happens("a writer is woken"); throttled = false; break }
                :: atomic { sleeping[me] -> happens("woken for nothing, for the budget") }
                fi
            od
        :: atomic { !throttled -> skip }
        fi
    od;
    atomic { seen = 0; permit[me] = false; writers_over++ }
}

/* A pager writes back what is dirty, page by page: this one if it was asked, the other as it likes. */
proctype Cleaner(byte pager)
{
end_idle:
    do
    :: atomic { (asked || pager == 1) && dirty[pager] > 0 -> count(pager, 1) }
    od
}

/* It is detached (or its pager closes, which is the same two steps). */
proctype Manager()
{
    atomic { detached = true };
    if
    :: planted == DETACH_SILENT
    :: else -> atomic { count(0, 0) }
    fi
}

/* A wake-up without a reason. */
proctype Noise()
{
    if
    :: permit[0] = true
    :: true
    fi
}

init {
    c_code { now.planted = getenv("PLANT") ? atoi(getenv("PLANT")) : 0; };
    atomic {
        dirty[1] = 2;
        run Writer(1, 1);
        run Noise();
        if
        :: run Writer(0, 1); run Cleaner(1)             /* this pager is silent: it may have one page all the same */
        :: dirty[0] = 1; run Writer(0, 2); run Cleaner(0); run Cleaner(1)
        :: dirty[0] = 1; run Writer(0, 2); run Cleaner(0); run Manager()
        :: dirty[0] = 1; run Writer(0, 2); run Manager()
        fi
    };
    timeout;
    assert(writers_over == WRITERS);
    assert(!sleeping[0] && !sleeping[1])
}
