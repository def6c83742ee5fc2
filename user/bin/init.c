/*
 * init.c: the first program.
 *
 * Starts the server of the root file system, gives the swap partitions of all disks to the default pager,
 * then starts the shell, and powers off when that ends.
 * Without a disk, or with a damaged one, it says so in one line, and the shell is the boot archive's.
 * The disk's shell is brought into memory whole, so that it outlives the file server; should it die
 * of a fault all the same, the boot archive's takes its place.
 *
 * `-- run PROGRAM ARGUMENTS` on the kernel's command line runs that program instead of the shell;
 * its exit status becomes the machine's.  `-- noswap` before it leaves the swap partitions alone.
 */
#include <quire.h>
#include <quire/fs.h>
#include <quire/swap.h>
#include <quire/tool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What ext2fs finds under its start tags: the partition, and the server's end of the channel. */
enum { TAG_DEVICE = START_USER, TAG_CHANNEL = START_USER + 1 };

/* Start ext2fs on the device, whose handle moves, and wait until it has mounted. */
static status_t start_server(handle_t device, handle_t *out_channel)
{
    handle_t image, process, client, server;
    status_t status = sys_channel_create(0, &client, &server);
    if (status != OK) {
        sys_handle_close(device);
        return status;
    }
    status = initrd_open("bin/ext2fs", &image);
    if (status != OK) {
        sys_handle_close(device);
        sys_handle_close(server);
        sys_handle_close(client);
        return status;
    }
    struct spawn_handle handles[] = { { device, TAG_DEVICE }, { server, TAG_CHANNEL } };
    status = spawn(&(struct spawn_arguments){
        .image = image,
        .arguments = (const char *const[]){ "ext2fs", NULL },
        .handles = handles,
        .handle_count = 2,
    }, &process);
    sys_handle_close(image);
    if (status == OK) {
        sys_handle_close(process);
        status = fs_wait_mounted(client);
    }
    if (status == OK)
        *out_channel = client;
    else
        sys_handle_close(client);
    return status;
}

static void mount_root(void)
{
    handle_t device, channel;
    status_t status = block_open("root", &device);
    if (status == ERR_NOT_FOUND)
        status = block_open("vda1", &device);
    if (status == ERR_NOT_FOUND) {
        printf("init: no disk with a root partition; this is the rescue shell. "
               "Attach a disk image (make image) to have files.\n");
        return;
    }
    if (status == OK)
        status = start_server(device, &channel);
    if (status == OK)
        root_fs_set(channel);
    else
        printf("init: cannot mount the root partition (%s); this is the rescue shell. "
               "Check the disk with e2fsck or make a new one (make image).\n", status_name(status));
}

/* Partitions are swap by their type.  What is not as it should be is left alone. */
static status_t add_swap_of(handle_t disk)
{
    static const uint8_t swap[16] = { 0x6d, 0xfd, 0x57, 0x06, 0xab, 0xa4, 0xc4, 0x43,
                                      0x84, 0xe5, 0x09, 0x33, 0xc8, 0x4b, 0x4f, 0x4f };
    struct partition *partitions;
    size_t count;
    status_t status = partition_list(disk, &partitions, &count);
    if (status != OK)
        return status == ERR_NOT_FOUND ? OK : status;
    for (size_t i = 0; i < count && status == OK; i++) {
        handle_t device;
        if (memcmp(partitions[i].type, swap, sizeof swap) != 0)
            continue;
        status = sys_block_create_partition(disk, partitions[i].offset, partitions[i].length,
                                            RIGHT_SAME_RIGHTS, &device);
        if (status == OK) {
            status = swap_add(device, 4);
            sys_handle_close(device);
        }
    }
    free(partitions);
    return status;
}

static void add_swap(void)
{
    handle_t disk;
    for (uint32_t index = 0; sys_system_get_block(system_handle(), index, &disk) == OK; index++) {
        status_t status = add_swap_of(disk);
        sys_handle_close(disk);
        if (status != OK)
            printf("init: swap partitions of disk %u are not used (%s). Look at the disk with fdisk; swapon tries "
                   "again.\n", (unsigned)index, status_name(status));
    }
}

static status_t run_image(handle_t image, const char *const *arguments, int64_t *out_code)
{
    handle_t process;
    status_t status = spawn(&(struct spawn_arguments){ .image = image, .arguments = arguments }, &process);
    sys_handle_close(image);
    return status == OK ? process_wait(process, out_code) : status;
}

static status_t run_shell(const char *const *arguments, int64_t *out_code)
{
    handle_t image;
    uint64_t size;
    status_t status = program_open("sh", &image);
    fflush(stdout);
    if (status == OK) {
        status = sys_vmo_get_size(image, &size);
        if (status == OK)
            status = sys_vmo_op_range(image, VMO_OP_PREFETCH | VMO_OP_MAY_BLOCK, 0, size, NULL, 0);
        if (status == OK)
            status = run_image(image, arguments, out_code);
        else
            sys_handle_close(image);
    }
    if (status == OK && *out_code != EXIT_CODE_FAULT)
        return OK;

    printf("init: the disk's shell failed; this is the rescue shell\n");
    fflush(stdout);
    status = initrd_open("bin/sh", &image);
    return status == OK ? run_image(image, arguments, out_code) : status;
}

/* What the machine's exit status can say about a program's. */
static uint32_t machine_status(int64_t code)
{
    switch (code) {
    case EXIT_CODE_KILLED: return 137;
    case EXIT_CODE_FAULT:  return 139;
    default:               return code & 0xff;
    }
}

int main(int argument_count, char **arguments)
{
    static const char *const shell[] = { "sh", NULL };
    const char *const *program = shell;
    bool swap = true;
    int64_t code = 0;
    status_t status;

    setenv("PATH", "/bin", 1);
    setenv("HOME", "/", 1);
    mount_root();
    for (int i = 0; i < argument_count; i++) {
        swap &= strcmp(arguments[i], "noswap") != 0;
        if (strcmp(arguments[i], "run") == 0 && i + 1 < argument_count) {
            program = (const char *const *)&arguments[i + 1];
            break;
        }
    }
    if (swap)
        add_swap();

    status = program == shell ? run_shell(shell, &code) : program_run(program, &code);
    if (status != OK) {
        printf("init: cannot run %s: %s (%s)\n", program[0], status_text(status),
               status_name(status));
        code = 127;
    } else if (code != 0) {
        printf("init: %s ended with status %lld\n", program[0], (long long)code);
    }
    fflush(stdout);
    sys_system_power(system_handle(), POWER_OFF, machine_status(code));
    return 1;
}
