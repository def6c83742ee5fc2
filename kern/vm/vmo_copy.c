/*
 * vmo_copy.c: bytes between VMOs and user memory.
 *
 * Each page is copied under the family lock with faults disabled, so no write-back or snapshot can slip between
 * finding the page and copying it.  When the user's side is not there: unlock, resolve that page, look everything
 * up again.
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
    bool to_user;
    struct page_request request;
};

/* Copy within one page; ERR_USER_FAULT if the user's side stopped it. */
static status_t copy_within_page(struct copy *copy, uint64_t length)
{
    uint64_t run = (page_ceil(copy->offset + copy->left) - page_floor(copy->offset)) >> PAGE_SHIFT;
    struct page *page;
    char *bytes;
    uint64_t missed;
    status_t status;

    vmo_lock(copy->vmo);
    status = vmo_get_page(copy->vmo, copy->offset >> PAGE_SHIFT, copy->to_user ? WANT_READ : WANT_WRITE,
                          copy->to_user ? run : min_u64(run, WRITE_RUN), &copy->request, &page);
    if (status == OK) {
        bytes = (char *)page_to_virt(page ? page : zero_frame) + (copy->offset & PAGE_MASK);
        missed = copy->to_user ? arch_copy_to_user(copy->user, bytes, length)
                               : arch_copy_from_user(bytes, copy->user, length);
        copy->offset += length - missed;
        copy->user += length - missed;
        copy->left -= length - missed;
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
        status_t status = copy_within_page(copy, length);

        status = page_request_resolve(&copy->request, status);
        if (status == ERR_USER_FAULT)
            status = user_touch(copy->user, 1, copy->to_user);
        if (status != OK && status != ERR_RETRY)
            return status;
        if (thread_killed())
            return ERR_CANCELED;
        sched_preempt_point();
    }
    return OK;
}

static status_t copy_range(struct vmo *vmo, uint64_t offset, uaddr_t user, uint64_t length, bool to_user,
                           bool may_block, uint64_t *out_done)
{
    struct copy copy;           /* not cleared as a whole: the request is large */
    status_t status = vmo_locate(&vmo, &offset, length);

    *out_done = 0;
    if (status != OK)
        return status;
    if (!range_inside(user, length, USER_TOP))
        return ERR_INVALID_ARGS;
    copy.vmo = vmo;
    copy.offset = offset;
    copy.user = user;
    copy.left = length;
    copy.to_user = to_user;
    page_request_init(&copy.request, may_block);
    status = copy_all(&copy);
    *out_done = length - copy.left;
    return status;
}

status_t vmo_copy_to_user(struct vmo *vmo, uint64_t offset, uaddr_t to, uint64_t length, bool may_block,
                          uint64_t *out_done)
{
    return copy_range(vmo, offset, to, length, true, may_block, out_done);
}

status_t vmo_copy_from_user(struct vmo *vmo, uint64_t offset, uaddr_t from, uint64_t length, bool may_block,
                            uint64_t *out_done)
{
    return copy_range(vmo, offset, from, length, false, may_block, out_done);
}
