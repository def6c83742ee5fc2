/*
 * first_program.c: the first process, and the system and default pager objects, which it gets.
 *
 * The kernel knows no file formats: a program that is linked into it (boot_program.S, made from user/boot) becomes the first
 * process, and finds the real first program in the boot archive.  It is told in its start message what nobody else could give it:
 * itself, the console, the system, the archive and the command line.  Nothing is undone on failure: the machine is switched off.
 */
#include "abi/start.h"
#include "dev/console.h"
#include "ipc/channel.h"
#include "lib/kprintf.h"
#include "lib/string.h"
#include "sys/helpers.h"
#include "vm/aspace.h"

/* boot_program.S: text and constants, then data and at its end a stack. */
extern const char boot_program[], boot_program_data[], boot_program_end[];

/* The machine as a whole: who holds a handle may list processes, power off and open disks, as its rights say. */
static const struct object_ops system_ops = {
    .type = OBJECT_SYSTEM,
    .default_rights = RIGHTS_BASIC | RIGHT_READ | RIGHT_WRITE | RIGHT_DESTROY,
};
/* The right to make backing stores, to list and to open them. */
static const struct object_ops default_pager_ops = {
    .type = OBJECT_DEFAULT_PAGER, .default_rights = RIGHTS_BASIC | RIGHT_WRITE | RIGHT_DESTROY,
};
static struct object system_object, default_pager;

static void require(status_t status)
{
    if (status != OK) {
        kprintf("quire: cannot start the first program: there is too little memory\n");
        arch_power_off(1);
    }
}

/* A VMO of frames that change hands. */
static struct vmo *adopt(paddr_t base, uint64_t size)
{
    struct vmo *vmo;

    require(vmo_create_adopting(base, page_ceil(size), &vmo));
    require(vmo_set_content_size(vmo, size));
    return vmo;
}

/* Map a part of the image at its place behind USER_BASE. */
static void map(struct process *process, const char *from, const char *to, uint32_t protection)
{
    uint64_t size = (uint64_t)(to - from), mapped;
    struct vmo *vmo = adopt(virt_to_phys(from), size);

    require(aspace_map(process->aspace, protection | VM_FIXED, protection,
                       USER_BASE + (uint64_t)(from - boot_program), vmo, 0, size, &mapped));
    object_unref(&vmo->object);
}

static struct message *start_message(struct process *process, struct thread *thread)
{
    struct vmo *archive = adopt(machine.initrd_base, machine.initrd_size);
    struct object *objects[] = { &process->object, &thread->object, console_object(),
                                 &system_object, &archive->object, &default_pager };
    struct {
        struct start_message head;
        uint32_t tags[array_size(objects)];
        char argument[sizeof(machine.command_line)];
    } text = {
        .head = { .magic = START_MAGIC, .handle_count = array_size(objects), .argument_count = 1,
                  .image_base = USER_BASE, .image_size = boot_program_end - boot_program },
        .tags = { START_PROCESS, START_THREAD, START_CONSOLE, START_SYSTEM, START_INITRD,
                  START_DEFAULT_PAGER },
    };
    struct message *message;

    static_assert(sizeof(text) <= PAGE_SIZE / 4, "a message in one piece");
    memcpy(text.argument, machine.command_line, sizeof(text.argument));
    require(message_create(sizeof(text), array_size(objects), &message));
    memcpy(message->only, &text, sizeof(text));
    for (uint32_t i = 0; i < array_size(objects); i++)
        message->handles[i] = handle_slot_make(objects[i], objects[i]->ops->default_rights &
                                               ~(objects[i] == &archive->object ? RIGHT_WRITE : 0));
    object_unref(&archive->object);
    return message;
}

void first_program_start(void)
{
    struct process *process;
    struct thread *thread;
    struct object *ends[2];
    uint64_t words[4] = { USER_BASE, USER_BASE + (uint64_t)(boot_program_end - boot_program) };

    object_init(&system_object, &system_ops, 0);
    object_init(&default_pager, &default_pager_ops, 0);
    require(process_create("boot", NULL, &process));
    map(process, boot_program, boot_program_data, VM_READ | VM_EXECUTE);
    map(process, boot_program_data, boot_program_end, VM_READ | VM_WRITE);
    require(thread_create(process, "main", &thread));
    /* A channel that holds the start message and whose other end is closed. */
    require(channel_create(ends));
    require(channel_write((struct channel *)ends[0], start_message(process, thread)));
    object_unref(ends[0]);
    require(process_start(thread, true, handle_slot_make(ends[1], channel_ops.default_rights), words));
    object_unref(ends[1]);
    object_unref(&thread->object);
    object_unref(&process->object);
}
