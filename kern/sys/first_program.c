/*
 * first_program.c: from the boot archive to the first process, and the end of both.
 *
 * The archive (cpio, format newc) is searched for the program, each of its segments becomes an
 * anonymous VMO, and it finds in its start message what nobody else could give it: itself, the
 * console, the system and the archive.  The archive is made with the kernel, so all that can be
 * wrong with it gets one message; but nothing outside it is ever looked at (part).  Nothing is
 * undone on failure: without a first program, and after it, the machine is powered off.
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

#define STACK_SIZE 0x10000ul
#define STACK_BASE (USER_TOP - STACK_SIZE)

#define CPIO_HEADER_SIZE 110ul
#define CPIO_FILE_SIZE   54         /* offsets of fields of 8 hexadecimal digits */
#define CPIO_NAME_SIZE   94

#define ELF_LOAD 1u
enum { ELF_MAY_EXECUTE = 1, ELF_MAY_WRITE = 2 };

struct elf_header {
    uint8_t  magic[16];
    uint16_t type, machine;
    uint32_t version;
    uint64_t entry, segments, sections;
    uint32_t flags;
    uint16_t size, segment_size, segment_count, rest[3];
};

struct elf_segment {
    uint32_t type, flags;
    uint64_t offset, address, physical, file_size, memory_size, alignment;
};

/* The archive, or a part of it. */
struct bytes {
    const char *base;
    uint64_t size;
};

/* The program on its way. */
struct program {
    struct process *process;
    uint64_t entry, image_base, image_end;
};

static _Noreturn void give_up(const char *what)
{
    kprintf("quire: cannot start the first program: %s\n"
            "quire: give the emulator a boot archive (-initrd, cpio newc) that holds sbin/init,\n"
            "quire: or name another program of the archive with init=\n", what);
    arch_power_off(1);
}

static void require(status_t status)
{
    if (status != OK)
        give_up(status == ERR_NO_MEMORY ? "there is too little memory"
                                        : "the boot archive is damaged");
}

/* --- The archive. --- */

static struct bytes part(struct bytes whole, uint64_t offset, uint64_t size)
{
    if (!range_inside(offset, size, whole.size))
        require(ERR_OUT_OF_RANGE);
    return (struct bytes){ whole.base + offset, size };
}

/* 8 digits; garbage in, garbage out. */
static uint64_t hexadecimal(const char *digits)
{
    uint64_t value = 0;

    for (int i = 0; i < 8; i++)
        value = value * 16 + (digits[i] & 0xf) + (digits[i] > '9' ? 9 : 0);
    return value;
}

static bool is_name(struct bytes name, const char *text)
{
    return name.size == strlen(text) + 1 && memcmp(name.base, text, name.size) == 0;
}

static uint64_t align_4(uint64_t offset)
{
    return (offset + 3) & ~3ul;
}

static struct bytes archive_find(struct bytes archive, const char *path)
{
    uint64_t at = 0, file_size;
    struct bytes name;

    do {
        const char *header = part(archive, at, CPIO_HEADER_SIZE).base;

        if (memcmp(header, "070701", 6) != 0)
            require(ERR_IO_DATA_INTEGRITY);
        file_size = hexadecimal(header + CPIO_FILE_SIZE);
        name = part(archive, at + CPIO_HEADER_SIZE, hexadecimal(header + CPIO_NAME_SIZE));
        at = align_4(at + CPIO_HEADER_SIZE + name.size);
        if (is_name(name, path))
            return part(archive, at, file_size);
        at = align_4(at + file_size);
    } while (!is_name(name, "TRAILER!!!"));
    give_up("the boot archive does not hold it");
}

/* --- Loading. --- */

/* An anonymous VMO with this content, mapped at a fixed place of the program. */
static void map(const struct program *program, uint64_t address, uint64_t size, uint32_t flags,
                struct bytes content)
{
    uint64_t base = page_floor(address), length = page_ceil(address + size) - base, mapped, piece;
    struct vmo *vmo;

    require(vmo_create(length, false, &vmo));
    vmo_lock(vmo);
    for (uint64_t done = 0; done < content.size; done += piece) {
        uint64_t offset = address - base + done;
        struct page *page;

        piece = min_u64(content.size - done, PAGE_SIZE - (offset & PAGE_MASK));
        require(vmo_get_page(vmo, offset >> PAGE_SHIFT, WANT_WRITE, 1, NULL, &page));
        memcpy((char *)page_to_virt(page) + (offset & PAGE_MASK), content.base + done, piece);
    }
    vmo_unlock(vmo);
    require(aspace_map(program->process->aspace, flags | VM_FIXED, flags, base, vmo, 0, length,
                       &mapped));
    object_unref(&vmo->object);
}

static void load(struct program *program, struct bytes file)
{
    struct elf_header header;
    struct elf_segment segment;

    memcpy(&header, part(file, 0, sizeof(header)).base, sizeof(header));
    if (memcmp(header.magic, "\177ELF", 4) != 0)
        require(ERR_IO_DATA_INTEGRITY);
    program->entry = header.entry;
    program->image_base = UINT64_MAX;
    for (uint32_t i = 0; i < header.segment_count; i++) {
        memcpy(&segment, part(file, header.segments + i * sizeof(segment), sizeof(segment)).base,
               sizeof(segment));
        if (segment.type != ELF_LOAD || segment.memory_size == 0)
            continue;
        map(program, segment.address, segment.memory_size,
            VM_READ | (segment.flags & ELF_MAY_WRITE ? VM_WRITE : 0) |
            (segment.flags & ELF_MAY_EXECUTE ? VM_EXECUTE : 0),
            part(file, segment.offset, segment.file_size));
        program->image_base = min_u64(program->image_base, page_floor(segment.address));
        program->image_end = max_u64(program->image_end,
                                     page_ceil(segment.address + segment.memory_size));
    }
    arch_mmu_sync_code(aspace_mmu(program->process->aspace));
    map(program, STACK_BASE, STACK_SIZE, VM_READ | VM_WRITE, (struct bytes){ NULL, 0 });
}

/* --- What it is told. --- */

/* The archive as a VMO: its frames change hands. */
static struct object *archive_object(void)
{
    struct vmo *vmo;

    if (!page_aligned(machine.initrd_base))
        give_up("the boot archive does not begin at a page");
    require(vmo_create_adopting(machine.initrd_base, page_ceil(machine.initrd_size), &vmo));
    require(vmo_set_content_size(vmo, machine.initrd_size));
    return &vmo->object;
}

static struct message *start_message(const struct program *program, struct thread *thread,
                                     const char *path)
{
    static const uint32_t tags[] = { START_PROCESS, START_THREAD, START_CONSOLE, START_SYSTEM,
                                     START_INITRD };
    struct object *archive = archive_object();
    struct object *objects[] = { &program->process->object, &thread->object, console_object(),
                                 system_object(), archive };
    char text[2 * sizeof(machine.command_line)];
    size_t size = format_string(text, sizeof(text), "%s", path) + 1, length;
    struct start_message start = {
        .magic = START_MAGIC, .handle_count = array_size(tags), .argument_count = 1,
        .image_base = program->image_base, .image_size = program->image_end - program->image_base,
        .stack_base = STACK_BASE, .stack_size = STACK_SIZE,
    };
    struct message *message;

    for (const char *word = command_line_arguments(); (length = command_line_word(&word)) > 0;
         word += length) {
        size += format_string(text + size, sizeof(text) - size, "%.*s", (int)length, word) + 1;
        start.argument_count++;
    }
    require(message_create((uint32_t)(sizeof(start) + sizeof(tags) + size), array_size(tags),
                           &message));
    message_fill(message, 0, &start, sizeof(start));
    message_fill(message, sizeof(start), tags, sizeof(tags));
    message_fill(message, sizeof(start) + sizeof(tags), text, (uint32_t)size);
    for (uint32_t i = 0; i < array_size(tags); i++)
        message_set_handle(message, i,
                           handle_slot_make(objects[i], objects[i]->ops->default_rights));
    object_unref(archive);
    return message;
}

/* --- Its life. --- */

/* The machine ends with its first program. */
static void first_program_ended(struct observer *observer, struct object *object,
                                signals_t observed, bool hand_over)
{
    int64_t code = process_from_object(object)->exit_code;

    (void)observer, (void)observed, (void)hand_over;
    kprintf("quire: the first program ended with code %ld: power off\n", code);
    arch_power_off(code & 0xff);
}

static const struct observer_ops end_ops = { .notify = first_program_ended };
static struct observer end = { .ops = &end_ops, .trigger = SIGNAL_TERMINATED };

/* Give it a channel that holds the start message and whose other end is closed, and let it run. */
static void start(const struct program *program, const char *path)
{
    struct object *ends[2];
    struct handle_slot slots[2];
    struct thread *thread;

    require(process_add_thread(program->process, "main", &thread));
    require(channel_create(ends));
    for (uint32_t i = 0; i < 2; i++)
        slots[i] = handle_slot_make(ends[i], channel_ops.default_rights);
    require(channel_write((struct channel *)ends[0], start_message(program, thread, path)));
    handle_slot_close(slots[0]);
    object_unref(ends[0]);
    object_unref(ends[1]);
    object_observe(&program->process->object, &end);
    require(process_start(program->process, thread, program->entry, USER_TOP, slots[1], 0));
    object_unref(&thread->object);
    object_unref(&program->process->object);
}

void first_program_start(void)
{
    struct bytes archive = { phys_to_virt(machine.initrd_base), machine.initrd_size };
    char path[sizeof(machine.command_line)] = "sbin/init";
    struct program program = { 0 };
    size_t length;
    const char *option = command_line_value("init", &length);

    if (archive.size == 0)
        give_up("there is no boot archive");
    if (option)
        format_string(path, sizeof(path), "%.*s", (int)length, option);
    require(process_create("init", NULL, &program.process));
    load(&program, archive_find(archive, path + (*path == '/')));
    start(&program, path);
}
