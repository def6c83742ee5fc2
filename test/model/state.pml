/*
 * state.pml: the state of one VMO, its source and the port, and the errors that can be planted.
 *
 * Locks: what the family lock guards is touched by its holder alone; what the source's lock guards, within a step.
 */

#define FAULTERS 2
#define PAGES    3
#define NOBODY   FAULTERS

mtype = { READ, DIRTY, COMPLETE };                      /* commands; the first two are kinds of requests too */
mtype = { OK, IO, CANCELED, BAD_STATE, NOT_FOUND, PAGE_THERE };

/* What is searched, one at a time: who takes part, and what they may do (docs/model.md). */
#define READS     0
#define WRITES    1
#define EARLY     2
#define CLOSING   3
#define WRITEBACK 4
#define CREATION  5
byte part;

/* Errors that spin_model.py plants, one at a time, by number, to see that they are found in the part named. */
#define UNPARK_SLEEPERS_ONLY 1                          /* in READS */
#define WITHDRAW_ONLY        2                          /* in READS */
#define COMPLETE_TWICE       3                          /* in READS */
#define UNPARK_BEFORE_LOCK   4                          /* in READS */
#define FORGET_NOTHING       5                          /* in READS */
#define SUCCESSOR_NOT_LINKED 6                          /* in READS */
#define SUCCESSOR_NOT_TOLD   7                          /* in READS */
#define SEND_THOUGH_BUSY     8                          /* in READS */
#define NO_SECOND_LOOK       9                          /* in READS */
#define COMPLETE_FIRST       10                         /* in READS */
#define COMPLETE_AFTER_CLOSE 11                         /* in CLOSING */
#define COMPLETE_STAYS       12                         /* in CLOSING */
#define TAKE_THE_DYING       13                         /* in CLOSING */
#define DIRTY_KEEPS_SILENT   14                         /* in WRITES */
#define DIRTY_PARTLY         15                         /* in WRITES */
#define FAIL_READS_ONLY      16                         /* in WRITES */
#define NOT_WOKEN_EARLY      17                         /* in EARLY */
#define NEEDED_STAYS         18                         /* in EARLY */
#define STALE_FAILURE        19                         /* in EARLY */
#define OPEN_AT_THE_END      20                         /* in EARLY */
#define WRITEBACK_FORGETS    21                         /* in WRITEBACK */
#define WRITEBACK_KEPT       22                         /* in WRITEBACK */
#define WRITEBACK_STAYS      23                         /* in WRITEBACK */
#define WRITEBACK_ALWAYS     24                         /* in WRITEBACK */
#define LISTED_THOUGH_CLOSED 25                         /* in CREATION */
#define REFUSED_BUT_OPEN     26                         /* in CREATION */
byte planted;

/* Tells spin_model.py that something happens in some run: a model that does nothing has no errors. */
c_decl {
    static void see(const char *name)
    {
        static const char *seen[128];
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

bool waits[FAULTERS];                   /* in wait() */
byte position[FAULTERS];                /* the page that the thread looks for */
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
bool in_family = true;                  /* until it ends */

#define ABSENT   0
#define IS_CLEAN 1
#define IS_DIRTY 2

bool family;                            /* the lock: all of the next */
byte slot[PAGES];
byte granted;                           /* a bit for each page that the pager lets be dirty */
bool detached;

typedef page_request {
    bool on_stack;                      /* armed: its thread is in wait(), about to be, or woke early and comes back */
    bool linked;                        /* in vmo->requests, or in the list of its head */
    bool early;
    bool woken;
    bool done;
    mtype kind;
    mtype status;
    byte head;
    byte first;
    byte count;
    byte needed;
    byte remaining;
    byte failed                         /* which page `status` speaks of */
};
page_request request[FAULTERS];

/* What the holder of the family lock works with, 0 when nobody holds it. */
byte todo;                              /* a bit for each request to be looked at */
byte which, other, begin, filled, stretch;

/* --- The source, and the port. --- */

bool sources;                           /* sources_lock, where it is held for more than a step: the next three */
bool listed = true;                     /* in all_sources */
bool source_vmo = true;                 /* source->vmo */
bool pager_closed;                      /* pager->closed */
bool freed;
byte references = 1;                    /* of the source: the VMO, the packets, calls under way */

bool packet_busy;
byte speaks_for = NOBODY;               /* source->active */
byte pending[FAULTERS];                 /* oldest first */
byte pendings;
bool complete_wanted;
bool complete_sent;
bool closed;

bool port_closed;
bool queued;                            /* the packet of READ, DIRTY and COMPLETE */
mtype command;
byte packet_first;
byte packet_count;
byte completes;                         /* COMPLETE packets ever queued */
bool writeback_queued;                  /* that of WRITEBACK */
byte writeback_pages;                   /* a bit for each page that it names */
byte writeback_owed;                    /* that was asked for and not read */
bool pager_gone;                        /* user_source_close_all is over */

byte at, next, successor;               /* within a step */
