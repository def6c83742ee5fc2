/*
 * event.c: an object with nothing but signals, by which programs tell each other of something.
 */
#include "ipc/event.h"

#include "mm/heap.h"

status_t event_create(struct object **out_event)
{
    struct object *event = heap_alloc(sizeof(*event));

    if (!event)
        return ERR_NO_MEMORY;
    object_init(event, &event_ops, 0);
    *out_event = event;
    return OK;
}

const struct object_ops event_ops = {
    .type = OBJECT_EVENT,
    .default_rights = RIGHTS_BASIC | RIGHT_WRITE,
    .destroy = object_free,
};
