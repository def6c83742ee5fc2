/*
 * drive_lists.c: the page list against a dictionary, the tree against a sorted array, the formatter against the
 * C library's.
 */
#include <stdlib.h>

#include "host.h"
#include "lib/kprintf.h"
#include "lib/tree.h"

#define ENTRIES 300u

/* --- Page lists. --- */

struct dictionary {
    uint32_t count;
    struct { uint64_t index; slot_t slot; } entries[ENTRIES];
};

static uint32_t dictionary_find(const struct dictionary *dictionary, uint64_t index)
{
    uint32_t i = 0;

    while (i < dictionary->count && dictionary->entries[i].index != index)
        i++;
    return i;
}

/* Mostly near each other, sometimes anywhere: all heights, full and sparse nodes. */
static uint64_t choose_index(void)
{
    uint64_t greatest = (VMO_SIZE_MAX >> PAGE_SHIFT) - 1;

    switch (choose(8)) {
    case 0:
        return choose(greatest + 1);
    case 1:
        return greatest - choose(3);
    case 2:
        return (1ull << (6 * choose_between(1, 5))) - choose(3);
    case 3:
        return choose(8) * 64 + choose(3);
    default:
        return choose(140);
    }
}

static void page_list_change(struct page_list *list, struct dictionary *dictionary, uint64_t index)
{
    uint32_t i = dictionary_find(dictionary, index);
    slot_t old = i < dictionary->count ? dictionary->entries[i].slot : SLOT_EMPTY;

    if (one_in(2)) {
        step("take %lu", index);
        check_equal(page_list_take(list, index), old);
        if (i < dictionary->count)
            dictionary->entries[i] = dictionary->entries[--dictionary->count];
    } else if (i < dictionary->count || dictionary->count < ENTRIES) {
        slot_t slot = choose_between(1, 1000) << 2 | choose_between(1, 3);
        status_t status;

        fail_allocation(one_in(8) ? choose_between(1, 6) : 0);
        status = page_list_set(list, index, slot);
        step("set %lu to 0x%lx: %d", index, slot, status);
        if (allocation_failed()) {
            check_equal(status, ERR_NO_MEMORY);
            check_equal(old, SLOT_EMPTY);
            check_equal(page_list_get(list, index), SLOT_EMPTY);
            return;
        }
        check_equal(status, OK);
        dictionary->entries[i].index = index;
        dictionary->entries[i].slot = slot;
        dictionary->count += i == dictionary->count;
    }
}

static void page_list_look(const struct page_list *list, const struct dictionary *dictionary, uint64_t index)
{
    uint32_t i = dictionary_find(dictionary, index);
    uint64_t end = one_in(4) ? UINT64_MAX : index + choose(200), found = 0, expected = end;
    slot_t slot;

    check_equal(page_list_get(list, index), i < dictionary->count ? dictionary->entries[i].slot : SLOT_EMPTY);
    for (i = 0; i < dictionary->count; i++)
        if (dictionary->entries[i].index >= index)
            expected = min_u64(expected, dictionary->entries[i].index);
    step("next of %lu below %lu", index, end);
    if (page_list_next(list, index, end, &found, &slot)) {
        check_equal(found, expected);
        check_equal(slot, dictionary->entries[dictionary_find(dictionary, found)].slot);
    } else {
        check_equal(expected, end);
    }
}

void drive_page_list(uint32_t steps)
{
    static struct dictionary dictionary;
    uint64_t heap = heap_live();
    struct page_list list;

    page_list_init(&list);
    dictionary.count = 0;
    while (steps-- > 0 && choices_left()) {
        uint64_t index = choose_index();

        page_list_change(&list, &dictionary, index);
        page_list_look(&list, &dictionary, choose_index());
        check_equal(list.used, dictionary.count);
        if (one_in(20))
            while (dictionary.count > (one_in(10) ? 0 : choose(3)))
                page_list_take(&list, dictionary.entries[--dictionary.count].index);
        if (list.used == 0)
            check_equal(heap_live(), heap);
    }
    while (dictionary.count > 0)
        page_list_take(&list, dictionary.entries[--dictionary.count].index);
    check_equal(heap_live(), heap);
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
        size_t size = one_in(2) ? TEXT_SIZE : choose(24);
        bool is_text, is_long;
        unsigned limit = choose(4) * 8;
        size_t length, expected_length;

        choose_conversion(format, &is_text, &is_long);
        step("%s with 0x%lx, size %zu, limit %u", format, value, size, limit);
        memset(found, '#', sizeof found);
        memset(expected, '#', sizeof expected);
        if (is_text) {
            length = format_string(found, size, format, limit, text);
            expected_length = snprintf(expected, size, format, limit, text);
        } else if (is_long) {
            length = format_string(found, size, format, value);
            expected_length = snprintf(expected, size, format, value);
        } else {
            length = format_string(found, size, format, (unsigned)(value & 0x7f));
            expected_length = snprintf(expected, size, format, (unsigned)(value & 0x7f));
        }
        check_equal(length, expected_length);
        if (memcmp(found, expected, sizeof found) != 0)
            fail("`%.*s`, not `%.*s`", (int)size, found, (int)size, expected);
    }
}
