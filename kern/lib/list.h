/*
 * list.h: intrusive doubly linked lists with a head.
 *
 * A node is in one list at a time; node->next == NULL means in none.  Whoever owns the list's lock may call these.
 */
#pragma once

#include "lib/types.h"

struct list_node { struct list_node *next, *prev; };
struct list      { struct list_node head; };

#define LIST_INITIALIZER(list) { { &(list).head, &(list).head } }
#define list_entry(node, type, member) container_of(node, type, member)

/* Walk a list.  The body may remove `node`, and only it. */
#define list_for_each(list, node) \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next; \
         node != &(list)->head; node = node##_next, node##_next = node->next)

static inline void list_init(struct list *list) { list->head.next = list->head.prev = &list->head; }

static inline bool list_empty(const struct list *list) { return list->head.next == &list->head; }
static inline bool list_linked(const struct list_node *node) { return node->next != NULL; }

static inline void list_insert_before(struct list_node *position, struct list_node *node)
{
    node->next = position;
    node->prev = position->prev;
    position->prev->next = node;
    position->prev = node;
}

static inline void list_push_back(struct list *list, struct list_node *node)
{
    list_insert_before(&list->head, node);
}

static inline void list_remove(struct list_node *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
}

static inline struct list_node *list_first(const struct list *list)
{
    return list_empty(list) ? NULL : list->head.next;
}

static inline struct list_node *list_pop_front(struct list *list)
{
    struct list_node *node = list_first(list);

    if (node)
        list_remove(node);
    return node;
}

/* Move all of `from` to the end of `to`. */
static inline void list_splice_back(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->head.next->prev = to->head.prev;
    to->head.prev->next = from->head.next;
    from->head.prev->next = &to->head;
    to->head.prev = from->head.prev;
    list_init(from);
}
