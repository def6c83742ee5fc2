/*
 * drive_lists.c: the page list against a dictionary, the tree against a sorted array, the formatter against the
 * C library's.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "lib/kprintf.h"
#include "lib/tree.h"

#define ENTRIES  300u
#define SEGMENTS 500u
#define GREATEST ((VMO_SIZE_MAX >> PAGE_SHIFT) - 1)
#define HEIGHT   6u                             /* of a list that holds page GREATEST */

/* --- Page lists. --- */

/* What is not empty, as disjoint stretches in no order: pages are stretches of one, zeros may be long. */
struct stretch { uint64_t first, end; slot_t slot; };

static struct stretch stretches[SEGMENTS];
static uint32_t stretch_count;

/* The slot at index, and how far from there on it is the same (a page: 1). */
static slot_t expected_slot(uint64_t index, uint64_t *out_end)
{
    *out_end = UINT64_MAX;
    for (uint32_t i = 0; i < stretch_count; i++) {
        if (index >= stretches[i].first && index < stretches[i].end) {
            *out_end = stretches[i].end;
            return stretches[i].slot;
        }
        if (stretches[i].first > index)
            *out_end = min_u64(*out_end, stretches[i].first);
    }
    return SLOT_EMPTY;
}

static void expect(uint64_t first, uint64_t end, slot_t slot)
{
    for (uint32_t i = 0; i < stretch_count; i++) {
        struct stretch *stretch = &stretches[i], old = *stretch;

        if (old.end <= first || old.first >= end)
            continue;
        if (old.first < first && old.end > end)
            stretches[stretch_count++] = (struct stretch){ end, old.end, old.slot };
        if (old.first < first)
            stretch->end = first;
        else if (old.end > end)
            stretch->first = end;
        else
            stretches[i--] = stretches[--stretch_count];
    }
    if (slot != SLOT_EMPTY)
        stretches[stretch_count++] = (struct stretch){ first, end, slot };
}

static bool next_expected_page(uint64_t index, uint64_t end, uint64_t *out_index)
{
    *out_index = end;
    for (uint32_t i = 0; i < stretch_count; i++)
        if (slot_page(stretches[i].slot) && stretches[i].first >= index)
            *out_index = min_u64(*out_index, stretches[i].first);
    return *out_index < end;
}

/* Mostly near each other, sometimes anywhere: all heights, full and sparse nodes, the borders of nodes of every level. */
static uint64_t choose_index(void)
{
    switch (choose(8)) {
    case 0:
        return choose(GREATEST + 1);
    case 1:
        return GREATEST - choose(3);
    case 2:
        return (1ull << (6 * choose_between(1, 5))) - choose(3);
    case 3:
        return choose(8) * 64 + choose(3);
    case 4:
        return min_u64(GREATEST, choose(4) << (6 * choose_between(1, 5)));
    default:
        return choose(140);
    }
}

/* An end above first: of one page or of all, aligned or not. */
static uint64_t choose_end(uint64_t first)
{
    uint64_t end = one_in(3) ? choose_index() : first + (choose_between(1, 200) << (6 * choose(6)));

    return min_u64(max_u64(end, first + 1), GREATEST + 1);
}

static slot_t choose_slot(void)
{
    return one_in(3) ? slot_zero(ZERO_CLEAN) : slot_of_page((struct page *)(choose_between(1, 1000) << 4));
}

static void set_slot(struct page_list *list, uint64_t index)
{
    slot_t slot = choose_slot();
    status_t status;

    fail_allocation(one_in(8) ? choose_between(1, 6) : 0);
    status = page_list_set(list, index, slot);
    step("set %lu to 0x%lx: %d", index, slot, status);
    check_equal(status, allocation_failed() ? ERR_NO_MEMORY : OK);
    if (status == OK)
        expect(index, index + 1, slot);
}

/* Empty slots of a run in place, or fill them, as VMOs do. */
static void change_run(struct page_list *list, struct page_list_run *run, uint64_t index, uint64_t odds)
{
    int64_t more = 0;

    for (uint64_t i = 0; i < run->count; i++) {
        slot_t slot = run->slots[i] != SLOT_EMPTY ? SLOT_EMPTY : choose_slot();

        if (!one_in(odds) || (slot != SLOT_EMPTY && stretch_count > SEGMENTS - 100))
            continue;
        more += (slot != SLOT_EMPTY) - (run->slots[i] != SLOT_EMPTY);
        run->slots[i] = slot;
        expect(index + i, index + i + 1, slot);
    }
    page_list_changed(list, run, index, more);
}

static void make_run(struct page_list *list, uint64_t index, uint64_t end)
{
    struct page_list_run run;
    status_t status;
    uint64_t until;

    fail_allocation(one_in(4) ? choose_between(1, 6) : 0);
    status = page_list_make_run(list, index, end, &run);
    step("make a run at %lu below %lu: %d", index, end, status);
    check_equal(status, allocation_failed() ? ERR_NO_MEMORY : OK);
    if (status != OK)
        return;
    check(run.slots && run.count >= 1 && run.count <= end - index);
    check_equal(run.count, min_u64(end - index, PAGE_LIST_FANOUT - index % PAGE_LIST_FANOUT));
    for (uint64_t i = 0; i < run.count; i++)
        check_equal(run.slots[i], expected_slot(index + i, &until));
    change_run(list, &run, index, choose_between(1, 4));
}

/* Empty the slots that hold pages, so that the range can be filled. */
static void drop_pages(struct page_list *list, uint64_t first, uint64_t end)
{
    for (uint64_t index = first; page_list_next(list, &index, end); ) {
        struct page_list_run run = page_list_find_run(list, index, index + 1);

        *run.slots = SLOT_EMPTY;
        page_list_changed(list, &run, index, -1);
        expect(index, index + 1, SLOT_EMPTY);
    }
}

/* Done in part: every slot is as before or as wanted; and what was all empty can be made so again without memory. */
static void fill_failed(struct page_list *list, uint64_t first, uint64_t end, slot_t slot, bool was_empty)
{
    uint64_t until;

    for (uint32_t i = 0; i < 20; i++) {
        uint64_t index = one_in(2) ? first + choose(end - first) : choose_index();
        slot_t found = page_list_get(list, index);

        if (found != slot || index < first || index >= end)
            check_equal(found, expected_slot(index, &until));
    }
    if (!was_empty || one_in(2)) {
        check_equal(page_list_fill(list, first, end, slot), OK);
        expect(first, end, slot);
        return;
    }
    fail_allocation(1);
    check_equal(page_list_fill(list, first, end, SLOT_EMPTY), OK);
    check(!allocation_failed());
}

static void fill(struct page_list *list, uint64_t first, uint64_t end)
{
    slot_t slot = one_in(2) ? slot_zero(ZERO_CLEAN) : SLOT_EMPTY;
    uint64_t nodes, until;
    bool was_empty;
    status_t status;

    drop_pages(list, first, end);
    was_empty = expected_slot(first, &until) == SLOT_EMPTY && until >= end;
    nodes = heap_live();
    fail_allocation(one_in(4) ? choose_between(1, 12) : 0);
    status = page_list_fill(list, first, end, slot);
    step("fill [%lu, %lu) with 0x%lx: %d", first, end, slot, status);
    if (!allocation_failed()) {
        check_equal(status, OK);
        expect(first, end, slot);
    } else {
        check_equal(status, ERR_NO_MEMORY);
        fill_failed(list, first, end, slot, was_empty);
    }
    if (heap_live() > nodes + 3 * HEIGHT)              /* the way up, and one down to each end */
        fail("the fill took %lu nodes", heap_live() - nodes);
}

static void look(struct page_list *list, uint64_t index)
{
    uint64_t end = one_in(4) ? UINT64_MAX : index + choose_between(1, 200), until, found = index, expected;
    slot_t slot = expected_slot(index, &until);
    struct page_list_run run = page_list_find_run(list, index, end);
    struct page *page;

    check_equal(page_list_get(list, index), slot);
    check_equal(page_list_gap(list, index, end - index), slot == SLOT_EMPTY ? min_u64(until, end) - index : 0);
    check(run.count >= 1 && run.count <= end - index);
    if (!run.slots) {
        check_equal(run.fill, slot);
        for (uint64_t at = index; at < index + run.count; at = until)
            check_equal(expected_slot(at, &until), run.fill);
    }
    for (uint64_t i = 0; run.slots && i < run.count; i++)
        check_equal(run.slots[i], expected_slot(index + i, &until));
    if ((page = page_list_next(list, &found, end))) {
        check(next_expected_page(index, end, &expected));
        check_equal(found, expected);
        check_equal(slot_of_page(page), expected_slot(found, &until));
    } else {
        check(!next_expected_page(index, end, &expected));
    }
}

/* Everything goes: no node is left. */
static void empty_list(struct page_list *list, uint64_t heap)
{
    step("empty the list");
    drop_pages(list, 0, GREATEST + 1);
    fail_allocation(1);
    check_equal(page_list_fill(list, 0, one_in(2) ? GREATEST + 1 : UINT64_MAX, SLOT_EMPTY), OK);
    check(!allocation_failed());
    stretch_count = 0;
    check_equal(heap_live(), heap);
    check(!list->root && list->height == 0);
}

/* However long the range, what it takes is the nodes at its two ends; the whole of it is one node. */
static void fill_empty_list(struct page_list *list, uint64_t heap)
{
    uint64_t first = one_in(3) ? 0 : choose_index(), end = one_in(3) ? GREATEST + 1 : choose_end(first);

    step("fill the empty list at [%lu, %lu)", first, end);
    check_equal(page_list_fill(list, first, end, slot_zero(ZERO_CLEAN)), OK);
    expect(first, end, slot_zero(ZERO_CLEAN));
    check(heap_live() - heap <= (first == 0 && end == GREATEST + 1 ? 1 : 2 * HEIGHT));
}

void drive_page_list(uint32_t steps)
{
    uint64_t heap = heap_live(), index;
    struct page_list list;

    page_list_init(&list);
    stretch_count = 0;
    while (steps-- > 0 && choices_left()) {
        index = choose_index();
        switch (choose(4)) {
        case 0:
            make_run(&list, index, choose_end(index));
            break;
        case 1:
            fill(&list, index, choose_end(index));
            break;
        default:
            set_slot(&list, index);
        }
        look(&list, choose_index());
        look(&list, index);
        if (stretch_count > SEGMENTS / 2 || one_in(100)) {
            empty_list(&list, heap);
            fill_empty_list(&list, heap);
        }
        if (stretch_count == 0)
            check_equal(heap_live(), heap);
    }
    empty_list(&list, heap);
}

/* --- Trees. --- */

struct number {
    struct tree_node node;
    uint64_t key;
};

static struct number *sorted[ENTRIES];
static uint32_t sorted_count;

/* Equal keys stay in the order of insertion. */
static void sorted_insert(struct number *number)
{
    uint32_t i = sorted_count++;

    for (; i > 0 && sorted[i - 1]->key > number->key; i--)
        sorted[i] = sorted[i - 1];
    sorted[i] = number;
}

static struct number *number_of(struct tree_node *node)
{
    return node ? tree_entry(node, struct number, node) : NULL;
}

static uint32_t check_shape(const struct tree_node *node)
{
    uint32_t count = 1;

    if (!node)
        return 0;
    for (int side = 0; side < 2; side++) {
        const struct tree_node *child = node->child[side];

        if (!child)
            continue;
        check(child->parent == node && child->priority <= node->priority && child->linked);
        check(side ? child->key >= node->key : child->key <= node->key);
        count += check_shape(child);
    }
    return count;
}

static void tree_look(const struct tree *tree, uint64_t key)
{
    struct number *at_most = NULL, *at_least = NULL;
    struct tree_node *node = tree_first(tree);

    for (uint32_t i = 0; i < sorted_count; i++) {
        check(number_of(node) == sorted[i]);
        node = tree_next(node);
        if (sorted[i]->key <= key)
            at_most = sorted[i];
        if (sorted[i]->key >= key && !at_least)
            at_least = sorted[i];
    }
    check(node == NULL);
    check(number_of(tree_last_at_most(tree, key)) == at_most);
    check(number_of(tree_first_at_least(tree, key)) == at_least);
}

void drive_tree(uint32_t steps)
{
    struct tree tree = { NULL };

    sorted_count = 0;
    while (steps-- > 0 && choices_left()) {
        if (sorted_count < 100 && one_in(2)) {
            struct number *number = calloc(1, sizeof *number);

            number->key = one_in(10) ? UINT64_MAX - choose(2) : choose(60);
            step("insert %lu", number->key);
            tree_insert(&tree, &number->node, number->key);
            sorted_insert(number);
        } else if (sorted_count > 0) {
            uint32_t i = choose(sorted_count);
            struct number *number = sorted[i];

            step("remove %lu", number->key);
            tree_remove(&tree, &number->node);
            check(!number->node.linked);
            memmove(&sorted[i], &sorted[i + 1], (--sorted_count - i) * sizeof sorted[0]);
            free(number);
        }
        check_equal(check_shape(tree.root), sorted_count);
        tree_look(&tree, choose(62));
    }
    while (sorted_count > 0) {
        tree_remove(&tree, &sorted[--sorted_count]->node);
        free(sorted[sorted_count]);
    }
}

/* --- The formatter. --- */

#define TEXT_SIZE 64

/* One conversion, as the kernel's formatter and the C library's must agree on it. */
static void choose_conversion(char format[TEXT_SIZE], bool *out_text, bool *out_long)
{
    static const char letters[] = "duxs";
    char letter = letters[choose(4)];

    *out_text = letter == 's';
    *out_long = letter != 's' && one_in(2);
    snprintf(format, TEXT_SIZE, "a%%%s%s%cz%%%%",
             *out_text ? ".*" : letter == 'd' ? "" : (const char *[]){ "", "01", "07", "016" }[choose(4)],
             *out_long ? "l" : "", letter);
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

void drive_format(uint32_t steps)
{
    static const char *const texts[] = { "", "x", "quire", "a text of more than twenty characters" };

    while (steps-- > 0 && choices_left()) {
        char format[TEXT_SIZE], found[TEXT_SIZE], expected[TEXT_SIZE];
        uint64_t value = choose(2) ? choose(300) - 150 : choose(UINT64_MAX);
        const char *text = texts[choose(array_size(texts))];
        size_t size = one_in(2) ? TEXT_SIZE : choose_between(1, 24);
        bool is_text, is_long;
        unsigned limit = choose(4) * 8;

        choose_conversion(format, &is_text, &is_long);
        step("%s with 0x%lx, size %zu, limit %u", format, value, size, limit);
        memset(found, '#', sizeof found);
        memset(expected, '#', sizeof expected);
        if (is_text) {
            format_string(found, size, format, limit, text);
            snprintf(expected, size, format, limit, text);
        } else if (is_long) {
            format_string(found, size, format, value);
            snprintf(expected, size, format, value);
        } else {
            format_string(found, size, format, (unsigned)(value & 0x7f));
            snprintf(expected, size, format, (unsigned)(value & 0x7f));
        }
        if (memcmp(found, expected, sizeof found) != 0)
            fail("`%.*s`, not `%.*s`", (int)size, found, (int)size, expected);
    }
}
