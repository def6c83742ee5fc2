/*
 * vmo_copy.c: bytes between VMOs and user memory.
 *
 * Each page is copied under the family lock with faults disabled, so no write-back or snapshot can slip between finding
 * the page and copying it.  When the user's side is not there: unlock, resolve that page, look everything up again.
 *
 * Locks: the family lock, one page at a time.
 */
#include "vm/vmo.h"

#include "task/sched.h"
#include "vm/fault.h"
#include "vm/page_request.h"

#define WRITE_RUN 16            /* pages that a write asks a pager for at a time */

struct copy {
    struct vmo *vmo;
    uint64_t offset;            /* next byte in the VMO */
    uaddr_t user;               /* next byte of the user's buffer */
    uint64_t left;
    enum vmo_copy direction;
    struct page_request *request;
};

/* Copy within one page; ERR_USER_FAULT if the user's side stopped it. */
static status_t copy_within_page(struct copy *copy, uint64_t length)
{
    bool to_user = copy->direction == VMO_TO_USER;
    uint64_t run = (page_ceil(copy->offset + copy->left) - page_floor(copy->offset)) >> PAGE_SHIFT;
    struct page *page;
    char *bytes;
    uint64_t missed;
    status_t status;

    vmo_lock(copy->vmo);
    status = vmo_get_page(copy->vmo, copy->offset >> PAGE_SHIFT, to_user ? WANT_READ : WANT_WRITE,
                          to_user ? run : min_u64(run, WRITE_RUN), copy->request, &page);
    if (status == OK) {
        bytes = (char *)page_to_virt(page ? page : zero_frame) + (copy->offset & PAGE_MASK);
        missed = to_user ? arch_copy_to_user(copy->user, bytes, length)
                         : arch_copy_from_user(bytes, copy->user, length);
        copy->offset += length - missed;
        copy->user += length - missed;
        copy->left -= length - missed;
        copy->vmo->modified |= !to_user && missed < length;
        if (missed)
            status = ERR_USER_FAULT;
    }
    vmo_unlock(copy->vmo);
    return status;
}

static status_t copy_all(struct copy *copy)
{
    while (copy->left > 0) {
        uint64_t length = min_u64(copy->left, PAGE_SIZE - (copy->offset & PAGE_MASK));
        status_t status = page_request_resolve(copy->request, copy_within_page(copy, length));

        if (status == ERR_USER_FAULT)
            status = user_touch(copy->user, 1, copy->direction == VMO_TO_USER);
        if (status != OK && status != ERR_RETRY)
            return status;
        if (thread_killed())
            return ERR_CANCELED;
        sched_preempt_point();
    }
    return OK;
}

status_t vmo_copy(struct vmo *vmo, uint64_t offset, uaddr_t user, uint64_t length, enum vmo_copy direction,
                  bool may_block, uint64_t *out_done)
{
    struct page_request request;
    struct copy copy = { vmo, offset, user, length, direction, &request };
    status_t status = vmo_locate(&copy.vmo, &copy.offset, length);

    *out_done = 0;
    if (status != OK)
        return status;
    if (!range_inside(user, length, USER_TOP))
        return ERR_INVALID_ARGS;
    page_request_init(&request, may_block);
    request.early = direction == VMO_TO_USER;
    status = copy_all(&copy);
    page_request_end(&request);
    *out_done = length - copy.left;
    return status;
}
