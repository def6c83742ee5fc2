/*
 * first_program.c: from the boot archive to the first process.
 *
 * The archive (cpio, format newc) is searched for the program, its segments are copied into
 * anonymous VMOs, and it finds in its start message what nobody else could give it: itself, the
 * console, the system and the archive. Everything in the archive is checked before it is believed,
 * but nothing here is undone on failure: without a first program the machine is powered off.
 */
#include "sys/system.h"

#include "abi/start.h"
#include "dev/console.h"
#include "ipc/channel.h"
#include "lib/command_line.h"
#include "lib/kprintf.h"
#include "lib/string.h"
#include "task/process.h"
#include "vm/aspace.h"

#define STACK_SIZE   0x10000ul
#define STACK_BASE   (USER_TOP - STACK_SIZE)
#define MAX_SEGMENTS 16

/* --- The formats, as far as they are looked at. --- */

#define CPIO_HEADER_SIZE 110ul
#define CPIO_FILE_SIZE   54         /* offsets of fields of 8 hexadecimal digits */
#define CPIO_NAME_SIZE   94

struct elf_header {
    uint8_t  magic[4], class, byte_order, version, padding[9];
    uint16_t type, machine;
    uint32_t file_version;
    uint64_t entry, program_headers, section_headers;
    uint32_t flags;
    uint16_t size, program_header_size, program_header_count, rest[3];
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, alignment;
};

enum { ELF_CLASS_64 = 2, ELF_LITTLE_ENDIAN = 1, ELF_EXECUTABLE = 2, ELF_RISCV = 243, ELF_LOAD = 1 };
enum { ELF_MAY_EXECUTE = 1, ELF_MAY_WRITE = 2, ELF_MAY_READ = 4 };

/* A part of the archive. */
struct bytes {
    const uint8_t *base;
    uint64_t size;
};

/* The program on its way. */
struct program {
    struct process *process;
    uint64_t entry, image_base, image_end;
};

static _Noreturn void give_up(const char *what, const char *detail)
{
    kprintf("quire: cannot start the first program: %s%s\n"
            "quire: give the emulator a boot archive (-initrd, cpio newc) that holds sbin/init,\n"
            "quire: or name another program of the archive with init=\n",
            what, detail);
    arch_power_off(1);
}

static void require(bool condition, const char *what)
{
    if (!condition)
        give_up(what, "");
}

static void require_ok(status_t status, const char *what)
{
    char number[24];

    format_string(number, sizeof(number), " (status %d)", status);
    if (status != OK)
        give_up(what, number);
}

/* --- The archive. --- */

static const char not_cpio[] = "the boot archive is not a cpio archive of format newc";

static uint64_t read_hexadecimal(const uint8_t *digits)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++) {
        uint8_t c = digits[i] | 0x20;
        uint64_t digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 16;

        require(digit < 16, not_cpio);
        value = value * 16 + digit;
    }
    return value;
}

/* Archives made with `find .` have names that begin with "./". */
static bool same_path(const char *name, const char *path)
{
    if (strncmp(name, "./", 2) == 0)
        name += 2;
    while (*path == '/')
        path++;
    return strcmp(name, path) == 0;
}

static bool archive_find(struct bytes archive, const char *path, struct bytes *out_file)
{
    for (uint64_t at = 0; range_inside(at, CPIO_HEADER_SIZE, archive.size);) {
        const uint8_t *header = archive.base + at;
        const char *name = (const char *)header + CPIO_HEADER_SIZE;

        require(memcmp(header, "070701", 6) == 0, not_cpio);
        uint64_t file_size = read_hexadecimal(header + CPIO_FILE_SIZE);
        uint64_t name_size = read_hexadecimal(header + CPIO_NAME_SIZE);
        uint64_t data = (at + CPIO_HEADER_SIZE + name_size + 3) & ~3ul;

        require(range_inside(data, file_size, archive.size) && name_size > 0 &&
                name[name_size - 1] == '\0', "the boot archive is cut off");
        if (strcmp(name, "TRAILER!!!") == 0)
            return false;
        if (same_path(name, path)) {
            *out_file = (struct bytes){ archive.base + data, file_size };
            return true;
        }
        at = (data + file_size + 3) & ~3ul;
    }
    return false;
}

/* --- Loading. --- */

/* Put bytes into an anonymous VMO that nobody else knows. */
static status_t vmo_fill(struct vmo *vmo, uint64_t offset, const uint8_t *from, uint64_t length)
{
    status_t status = OK;

    vmo_lock(vmo);
    while (length && status == OK) {
        uint64_t within = offset & PAGE_MASK, part = min_u64(length, PAGE_SIZE - within);
        struct page *page;

        status = vmo_get_page(vmo, offset >> PAGE_SHIFT, WANT_WRITE, 1, NULL, &page);
        if (status == OK)
            memcpy((char *)page_to_virt(page) + within, from, part);
        offset += part;
        from += part;
        length -= part;
    }
    vmo_unlock(vmo);
    return status;
}

/* An anonymous VMO with this content, mapped at a fixed place of the program. */
static status_t map_filled(struct program *program, uint64_t address, uint64_t size, uint32_t flags,
                           struct bytes content)
{
    uint64_t base = page_floor(address), length = page_ceil(address + size) - base, mapped;
    struct vmo *vmo;
    status_t status = vmo_create(length, false, &vmo);

    if (status != OK)
        return status;
    status = vmo_fill(vmo, address - base, content.base, content.size);
    if (status == OK)
        status = aspace_map(program->process->aspace, flags | VM_FIXED, flags, base, vmo, 0, length,
                            &mapped);
    object_unref(&vmo->object);
    return status;
}

static void load_segment(struct program *program, struct bytes file,
                         const struct elf_segment *segment)
{
    uint32_t flags = (segment->flags & ELF_MAY_READ ? VM_READ : 0) |
                     (segment->flags & ELF_MAY_WRITE ? VM_READ | VM_WRITE : 0) |
                     (segment->flags & ELF_MAY_EXECUTE ? VM_EXECUTE : 0);

    require(segment->file_size <= segment->memory_size &&
            range_inside(segment->offset, segment->file_size, file.size) &&
            segment->address >= USER_BASE &&
            range_inside(segment->address, segment->memory_size, STACK_BASE - PAGE_SIZE),
            "it has an impossible segment");
    require_ok(map_filled(program, segment->address, segment->memory_size, flags,
                          (struct bytes){ file.base + segment->offset, segment->file_size }),
               "a segment cannot be loaded");
    program->image_base = min_u64(program->image_base, page_floor(segment->address));
    program->image_end = max_u64(program->image_end,
                                 page_ceil(segment->address + segment->memory_size));
}

static void load(struct program *program, struct bytes file)
{
    struct elf_header header;

    require(file.size >= sizeof(header), "it is too short for an ELF file");
    memcpy(&header, file.base, sizeof(header));
    require(memcmp(header.magic, "\177ELF", 4) == 0 && header.class == ELF_CLASS_64 &&
            header.byte_order == ELF_LITTLE_ENDIAN &&
            header.type == ELF_EXECUTABLE && header.machine == ELF_RISCV,
            "it is not a static 64-bit RISC-V ELF executable");
    require(header.program_header_size == sizeof(struct elf_segment) &&
            header.program_header_count <= MAX_SEGMENTS &&
            range_inside(header.program_headers,
                         header.program_header_count * sizeof(struct elf_segment), file.size),
            "its ELF program headers are impossible");
    program->entry = header.entry;
    program->image_base = UINT64_MAX;
    for (uint32_t i = 0; i < header.program_header_count; i++) {
        struct elf_segment segment;

        memcpy(&segment, file.base + header.program_headers + i * sizeof(segment), sizeof(segment));
        if (segment.type == ELF_LOAD && segment.memory_size > 0)
            load_segment(program, file, &segment);
    }
    require(program->entry >= program->image_base && program->entry < program->image_end,
            "its entry lies outside its segments");
    arch_mmu_sync_code(aspace_mmu(program->process->aspace));
    require_ok(map_filled(program, STACK_BASE, STACK_SIZE, VM_READ | VM_WRITE,
                          (struct bytes){ NULL, 0 }), "it gets no stack");
}

/* --- What it is told. --- */

/*
 * Append the words after `--` of the command line to `text`, each zero terminated; their number is
 * returned.
 */
static uint32_t add_arguments(char *text, size_t *size)
{
    const char *word = machine.command_line, *end;
    bool ours = false;
    uint32_t count = 0;

    for (; *word; word = end) {
        while (*word == ' ')
            word++;
        for (end = word; *end && *end != ' '; end++)
            ;
        if (ours && end > word) {
            memcpy(text + *size, word, (size_t)(end - word));
            *size += (size_t)(end - word);
            text[(*size)++] = '\0';
            count++;
        }
        ours = ours || (end - word == 2 && strncmp(word, "--", 2) == 0);
    }
    return count;
}

/* The archive as a VMO: its frames change hands. */
static struct object *archive_object(void)
{
    struct vmo *vmo;

    require(page_aligned(machine.initrd_base), "the boot archive does not begin at a page");
    require_ok(vmo_create_adopting(machine.initrd_base, page_ceil(machine.initrd_size), &vmo),
               "no memory for the archive's VMO");
    require_ok(vmo_set_content_size(vmo, machine.initrd_size), "the archive's VMO is too small");
    return &vmo->object;
}

static struct message *start_message(const struct program *program, struct object *thread,
                                     const char *path)
{
    static const uint32_t tags[] = { START_PROCESS, START_THREAD, START_CONSOLE, START_SYSTEM,
                                     START_INITRD };
    struct object *objects[] = { &program->process->object, thread, console_object(),
                                 system_object(), archive_object() };
    char arguments[2 * sizeof(machine.command_line) + 16];
    size_t size = format_string(arguments, sizeof(machine.command_line), "%s", path) + 1;
    struct start_message start = {
        .magic = START_MAGIC, .handle_count = array_size(tags),
        .argument_count = 1 + add_arguments(arguments, &size),
        .image_base = program->image_base, .image_size = program->image_end - program->image_base,
        .stack_base = STACK_BASE, .stack_size = STACK_SIZE,
    };
    struct message *message;

    require_ok(message_create((uint32_t)(sizeof(start) + sizeof(tags) + size), array_size(tags),
                              &message), "no memory for its start message");
    message_fill(message, 0, &start, sizeof(start));
    message_fill(message, sizeof(start), tags, sizeof(tags));
    message_fill(message, sizeof(start) + sizeof(tags), arguments, (uint32_t)size);
    for (uint32_t i = 0; i < array_size(tags); i++)
        message_set_handle(message, i,
                           handle_slot_make(objects[i], objects[i]->ops->default_rights));
    object_unref(objects[4]);
    return message;
}

/* Give it a channel that holds the start message and whose other end is closed, and let it run. */
static void start(const struct program *program, const char *path)
{
    struct object *ends[2];
    struct handle_slot slots[2];
    struct thread *thread;

    require_ok(process_add_thread(program->process, "main", &thread), "no memory for its thread");
    require_ok(channel_create(ends), "no memory for its channel");
    for (uint32_t i = 0; i < 2; i++)
        slots[i] = handle_slot_make(ends[i], channel_ops.default_rights);
    require_ok(channel_write((struct channel *)ends[0],
                             start_message(program, &thread->object, path)),
               "its start message cannot be sent");
    handle_slot_close(slots[0]);
    require_ok(process_start(program->process, thread, program->entry, USER_TOP, slots[1], 0),
               "it cannot be started");
    object_unref(ends[0]);
    object_unref(ends[1]);
    object_unref(&thread->object);
    object_unref(&program->process->object);
}

void first_program_start(void)
{
    struct bytes archive = { phys_to_virt(machine.initrd_base), machine.initrd_size }, file;
    char path[sizeof(machine.command_line)] = "init";
    size_t length;
    const char *option = command_line_value("init", &length);
    struct program program = { 0 };

    require(archive.size > 0, "there is no boot archive");
    if (option)
        format_string(path, sizeof(path), "%.*s", (int)length, option);
    if (!(!option && archive_find(archive, "sbin/init", &file)) &&
        !archive_find(archive, path, &file))
        give_up("the boot archive does not hold ", option ? path : "sbin/init or init");
    require_ok(process_create("init", &program.process), "no memory for its process");
    load(&program, file);
    start(&program, path);
}
