/*
 * elf.c: programs, from a VMO into a new process.
 *
 * The file is not trusted: every number in it is checked before anything is made.  A segment that
 * cannot be written is mapped straight from the file's VMO, so its pages are shared by all who run
 * it and come when touched.  Of large data there is a copy-on-write clone; small data, and what does
 * not lie in pages as in the file, is copied.
 *
 * Invariant: the segments of a struct elf_image lie in order, inside the limits given, each in
 * pages of its own.
 */
#include "internal.h"

#include <elf.h>
#include <string.h>

#define PAGE_MASK (PAGE_SIZE - 1)

enum { MACHINE_RISCV = 243, HEADERS_MAX = 32 };
#define CLONE_MIN (4 * PAGE_SIZE)       /* bytes of the file; copying less is cheaper */

static uint64_t page_floor(uint64_t value)   { return value & ~PAGE_MASK; }
static uint64_t page_ceiling(uint64_t value) { return (value + PAGE_MASK) & ~PAGE_MASK; }

static status_t read_at(handle_t vmo, uint64_t file_size, uint64_t offset, void *to, size_t length)
{
    if (offset > file_size || length > file_size - offset)
        return ERR_INVALID_ARGS;
    return sys_vmo_read(vmo, VMO_MAY_BLOCK, to, offset, length);
}

static bool header_is_valid(const Elf64_Ehdr *header)
{
    return memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
           header->e_ident[EI_CLASS] == ELFCLASS64 && header->e_ident[EI_DATA] == ELFDATA2LSB &&
           header->e_type == ET_EXEC && header->e_machine == MACHINE_RISCV &&
           header->e_phentsize == sizeof(Elf64_Phdr) && header->e_phnum > 0 &&
           header->e_phnum <= HEADERS_MAX;
}

static bool segment_is_valid(const Elf64_Phdr *header, uint64_t file_size, uint64_t base,
                             uint64_t top)
{
    bool writable_code = (header->p_flags & (PF_W | PF_X)) == (PF_W | PF_X);
    return header->p_filesz <= header->p_memsz && header->p_offset <= file_size &&
           header->p_filesz <= file_size - header->p_offset && header->p_vaddr >= base &&
           header->p_vaddr < top && header->p_memsz <= top - header->p_vaddr && !writable_code &&
           (header->p_flags & PF_R) != 0;
}

static status_t add_segment(struct elf_image *image, const Elf64_Phdr *header)
{
    if (image->segment_count == ELF_SEGMENTS_MAX)
        return ERR_INVALID_ARGS;
    if (image->segment_count > 0) {
        const struct elf_segment *last = &image->segments[image->segment_count - 1];
        if (page_floor(header->p_vaddr) < page_ceiling(last->address + last->memory_size))
            return ERR_INVALID_ARGS;
    }
    image->segments[image->segment_count++] = (struct elf_segment){
        .address = header->p_vaddr,
        .file_offset = header->p_offset,
        .file_size = header->p_filesz,
        .memory_size = header->p_memsz,
        .flags = VM_READ | (header->p_flags & PF_W ? VM_WRITE : 0) |
                 (header->p_flags & PF_X ? VM_EXECUTE : 0),
    };
    return OK;
}

static bool entry_is_code(const struct elf_image *image)
{
    for (uint32_t i = 0; i < image->segment_count; i++) {
        const struct elf_segment *segment = &image->segments[i];
        if ((segment->flags & VM_EXECUTE) != 0 && image->entry >= segment->address &&
            image->entry - segment->address < segment->memory_size)
            return true;
    }
    return false;
}

status_t elf_read(handle_t vmo, uint64_t base, uint64_t top, struct elf_image *out_image)
{
    Elf64_Ehdr header;
    Elf64_Phdr program[HEADERS_MAX];
    uint64_t file_size;
    status_t status = sys_vmo_get_content_size(vmo, &file_size);
    if (status == OK)
        status = read_at(vmo, file_size, 0, &header, sizeof header);
    if (status == OK && !header_is_valid(&header))
        status = ERR_INVALID_ARGS;
    if (status == OK)
        status = read_at(vmo, file_size, header.e_phoff, program,
                         header.e_phnum * sizeof program[0]);
    if (status != OK)
        return status;

    *out_image = (struct elf_image){ .entry = header.e_entry };
    for (unsigned i = 0; i < header.e_phnum && status == OK; i++) {
        if (program[i].p_type != PT_LOAD || program[i].p_memsz == 0)
            continue;
        if (!segment_is_valid(&program[i], file_size, base, top))
            status = ERR_INVALID_ARGS;
        else
            status = add_segment(out_image, &program[i]);
    }
    if (status == OK && !entry_is_code(out_image))
        status = ERR_INVALID_ARGS;
    return status;
}

/* Read the file's part of a segment into a VMO at `offset`, through a mapping in this process. */
static status_t copy_bytes(const struct elf_segment *segment, handle_t file, handle_t copy,
                           uint64_t offset)
{
    uintptr_t address;
    uint64_t length = page_ceiling(offset + segment->file_size);
    if (segment->file_size == 0)
        return OK;
    status_t status = sys_vm_map(process_self(), VM_READ | VM_WRITE, 0, copy, 0, length, &address);
    if (status != OK)
        return status;
    status = sys_vmo_read(file, VMO_MAY_BLOCK, (void *)(address + offset), segment->file_offset,
                          segment->file_size);
    sys_vm_unmap(process_self(), address, length);
    return status;
}

/* A clone of the file's pages; what is in the last one behind the segment becomes zero. */
static status_t clone_bytes(const struct elf_segment *segment, handle_t file, uint64_t length,
                            handle_t *out_vmo)
{
    uint64_t offset = page_floor(segment->file_offset);
    uint64_t end = segment->file_offset + segment->file_size - offset;
    status_t status = sys_vmo_create_child(
        file, VMO_CHILD_SNAPSHOT_AT_LEAST_ON_WRITE | VMO_CHILD_RESIZABLE, offset,
        page_ceiling(end), out_vmo);
    if (status != OK)
        return status;
    status = sys_vmo_set_size(*out_vmo, length);
    if (status == OK && page_ceiling(end) > end)
        status = sys_vmo_op_range(*out_vmo, VMO_OP_ZERO | VMO_OP_MAY_BLOCK, end,
                                  page_ceiling(end) - end, NULL, 0);
    if (status != OK)
        sys_handle_close(*out_vmo);
    return status;
}

static status_t copy_segment(const struct elf_segment *segment, handle_t file, uint64_t length,
                             handle_t *out_vmo)
{
    status_t status = sys_vmo_create(length, 0, out_vmo);
    if (status != OK)
        return status;
    status = copy_bytes(segment, file, *out_vmo, segment->address & PAGE_MASK);
    if (status != OK)
        sys_handle_close(*out_vmo);
    return status;
}

static bool lies_as_in_file(const struct elf_segment *segment)
{
    return ((segment->address ^ segment->file_offset) & PAGE_MASK) == 0;
}

/* A VMO with the bytes of a segment and zeros behind them. */
static status_t prepare_copy(const struct elf_segment *segment, handle_t file,
                             struct elf_mapping *out)
{
    uintptr_t address = page_floor(segment->address);
    uint64_t length = page_ceiling(segment->address + segment->memory_size) - address;
    *out = (struct elf_mapping){ .options = segment->flags | VM_FIXED, .address = address,
                                 .length = length, .is_copy = true };
    status_t status = ERR_NOT_SUPPORTED;
    if (lies_as_in_file(segment) && segment->file_size >= CLONE_MIN)
        status = clone_bytes(segment, file, length, &out->vmo);
    if (status != OK)                   /* also for a caller who may read the file, but not clone it */
        status = copy_segment(segment, file, length, &out->vmo);
    if (status == OK)
        sys_object_set_name(out->vmo, "data", 4);
    return status;
}

/* Can the pages of the file be the pages of the segment? */
static bool can_share(const struct elf_segment *segment)
{
    return (segment->flags & VM_WRITE) == 0 && segment->file_size == segment->memory_size &&
           lies_as_in_file(segment);
}

static status_t prepare(const struct elf_segment *segment, handle_t file, struct elf_mapping *out)
{
    uintptr_t address = page_floor(segment->address);
    if (!can_share(segment))
        return prepare_copy(segment, file, out);
    *out = (struct elf_mapping){
        .options = segment->flags | VM_FIXED, .address = address, .vmo = file,
        .offset = page_floor(segment->file_offset),
        .length = page_ceiling(segment->address + segment->memory_size) - address,
    };
    return OK;
}

void elf_mapping_drop(const struct elf_mapping *mapping)
{
    if (mapping->is_copy)
        sys_handle_close(mapping->vmo);
}

status_t elf_prepare(const struct elf_image *image, handle_t vmo,
                     struct elf_mapping mappings[static ELF_SEGMENTS_MAX])
{
    for (uint32_t i = 0; i < image->segment_count; i++) {
        status_t status = prepare(&image->segments[i], vmo, &mappings[i]);
        if (status != OK) {
            while (i-- > 0)
                elf_mapping_drop(&mappings[i]);
            return status;
        }
    }
    return OK;
}

status_t elf_map(const struct elf_image *image, handle_t vmo, handle_t process)
{
    status_t status = OK;
    for (uint32_t i = 0; i < image->segment_count && status == OK; i++) {
        struct elf_mapping mapping;
        uintptr_t mapped;
        status = prepare(&image->segments[i], vmo, &mapping);
        if (status != OK)
            break;
        status = sys_vm_map(process, mapping.options, mapping.address, mapping.vmo, mapping.offset,
                            mapping.length, &mapped);
        elf_mapping_drop(&mapping);
    }
    return status;
}
