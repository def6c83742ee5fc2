/* pager.h: pagers in user processes.  The contract is Zircon's: docs/pager.md. */
#pragma once

#include "ipc/port.h"
#include "vm/user_source.h"

extern const struct object_ops pager_ops_object;

status_t pager_create(bool wants_writeback, struct object **out_pager);
static inline struct pager *pager_from_object(struct object *object)
{
    return (struct pager *)object_checked(object, &pager_ops_object);
}

/* options: VMO_RESIZABLE, VMO_TRAP_DIRTY. */
status_t pager_create_vmo(struct pager *pager, uint32_t options, struct port *port, uint64_t key, uint64_t size,
                          struct vmo **out_vmo);
/* INVALID_ARGS unless the VMO was made by this pager: asked before each of the following. */
static inline status_t pager_check_vmo(struct pager *pager, struct vmo *vmo)
{
    return vmo->kind == VMO_PAGER && user_source_of(vmo)->pager == pager ? OK : ERR_INVALID_ARGS;
}
void pager_detach_vmo(struct vmo *vmo);
/* Offsets and length are whole pages.  After an error in the second half aux has lost its pages all the same. */
status_t pager_supply_pages(struct vmo *vmo, uint64_t offset, uint64_t length, struct vmo *aux, uint64_t aux_offset);
/* results: of WRITEBACK_END whose data is not 0, one VM_PAGER_ value a page. */
status_t pager_op_range(struct vmo *vmo, uint32_t op, uint64_t offset, uint64_t length, uint64_t data,
                        const int32_t *results);
/* Was it modified since the last reset?  Takes the family lock. */
bool pager_modified(struct vmo *vmo, bool reset);

/* The key of a pager-backed VMO. */
uint64_t pager_key(struct vmo *vmo);

/* INFO_PAGER_LIST: up to `room` records from number `skip` on; the number of all is returned. */
uint64_t pager_list(uint64_t skip, info_pager_vmo_t *records, uint64_t room);
