/*
 * pager_world.h: what drive_pagers.c, the pager, and pager_actors.c, the threads that need pages, have in common.
 */
#pragma once

#include "host.h"

#define VMOS    3u
#define PAGES   20u
#define ACTORS  7u

struct model {
    struct vmo *vmo;
    uint64_t key;
    bool detached, complete, timed_out;
    bool asked[PAGES], abandoned[PAGES];        /* abandoned: whoever wanted it may have gone, and others ask anew */
    bool may_be_zero[PAGES];                    /* was once beyond the pager's pages, or zeroed */
    bool shrank, failed;
    uint64_t packets, pages_asked;
};

enum action { LOAD, STORE, READ, WRITE, COMMIT, ACTIONS };

struct actor {
    struct thread *thread;
    struct process *process;
    struct model *model;
    enum action action;
    uint64_t first, count, mapped;
    uint32_t slot;
    bool killed, done;
    status_t status;
};

extern struct model models[VMOS];
extern struct actor actors[ACTORS];
extern bool overtaking;                         /* threads are overtaken anywhere */

/* What page `index` of the VMO holds; fails unless that, or a zero that may be, was found. */
uint8_t content(const struct model *model, uint64_t index);
void check_content(const struct model *model, uint64_t index, uint8_t found);

/* pager_actors.c.  A new actor does something to some VMO, if that has pages. */
void start_actor(struct actor *actor);
void kill_actor(struct actor *actor);
/* Forget those that have ended. */
void reap_actors(void);
bool in_use(const struct model *model);
/* Threads that asked for pages of this VMO go away, or look again before everything has come. */
void abandon(struct model *model);
