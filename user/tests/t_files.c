/*
 * t_files.c: the file server, as its clients see it: files whose pages a user process supplies.
 */
#include "memory.h"

#include <quire/fs.h>
#include <stdlib.h>

#define MOTD "Welcome to Quire, where every page is a promise somebody made.\n"

static handle_t root(void)
{
    if (root_fs_handle() == HANDLE_INVALID)
        test_skip("no root file system");
    return root_fs_handle();
}

static struct fs_file open_file(const char *path)
{
    struct fs_file file;

    CHECK_OK(fs_open(root(), path, 0, &file));
    return file;
}

static uint64_t requests_of(handle_t vmo)
{
    uint64_t koid = vmo_info(vmo).parent_koid, requests = UINT64_MAX;      /* the file's own VMO */
    info_pager_vmo_t *list = NULL;
    size_t count = 0;

    CHECK_OK(info_list(system_handle(), INFO_PAGER_LIST, sizeof *list, (void **)&list, &count));
    for (size_t i = 0; i < count; i++)
        if (list[i].vmo_koid == koid)
            requests = list[i].requests;
    free(list);
    CHECK(requests != UINT64_MAX);
    return requests;
}

TEST(a_file_is_a_stream_and_a_vmo)
{
    struct fs_file file = open_file("/etc/motd");
    char text[4096], again[4096];
    uint64_t content = 0;
    size_t length = 0;

    CHECK_OK(sys_stream_read(file.stream, text, sizeof text, &length));
    CHECK(length > strlen(MOTD) && memcmp(text, MOTD, strlen(MOTD)) == 0);
    CHECK_EQ(length, file.attributes.size);
    CHECK_OK(sys_vmo_get_content_size(file.vmo, &content));
    CHECK_EQ(content, length);
    CHECK_OK(sys_vmo_read(file.vmo, 0, again, 0, length));      /* the stream's pages */
    CHECK(memcmp(text, again, length) == 0);
    CHECK(vmo_is_filled(file.vmo, length, PAGE_SIZE - length, 0));

    info_vmo_t info = vmo_info(file.vmo);
    CHECK(info.flags & INFO_VMO_PAGER_BACKED);
    CHECK(!(info.handle_rights & (RIGHT_WRITE | RIGHT_RESIZE)));
    CHECK_STATUS(sys_vmo_write(file.vmo, 0, text, 0, 1), ERR_ACCESS_DENIED);
    CHECK_STATUS(sys_stream_write(file.stream, text, 1, &length), ERR_ACCESS_DENIED);
    fs_close(&file);
}

TEST(pages_are_asked_for_once)
{
    struct fs_file file = open_file("/data/one-page.bin"), same;
    char *bytes = malloc(PAGE_SIZE), *again = malloc(PAGE_SIZE);
    uint64_t before = requests_of(file.vmo);

    CHECK(bytes && again);
    if (before == 0)                    /* nobody has read it since boot */
        CHECK_STATUS(sys_vmo_read(file.vmo, 0, bytes, 0, PAGE_SIZE), ERR_SHOULD_WAIT);
    CHECK_OK(sys_vmo_read(file.vmo, VMO_MAY_BLOCK, bytes, 0, PAGE_SIZE));
    CHECK_EQ(requests_of(file.vmo), 1);
    same = open_file("/data/one-page.bin");
    CHECK_EQ(vmo_info(same.vmo).parent_koid, vmo_info(file.vmo).parent_koid); /* one file, one set of pages */
    const char *memory = map_vmo(same.vmo, VM_READ, 0, PAGE_SIZE);
    CHECK(memcmp(memory, bytes, PAGE_SIZE) == 0);
    CHECK_OK(sys_vmo_read(same.vmo, 0, again, 0, PAGE_SIZE));
    CHECK(memcmp(again, bytes, PAGE_SIZE) == 0);
    CHECK_EQ(requests_of(file.vmo), 1);
    unmap(memory, PAGE_SIZE);
    free(again);
    free(bytes);
    fs_close(&same);
    fs_close(&file);
}

TEST(each_open_has_a_position_of_its_own)
{
    struct fs_file a = open_file("/etc/motd"), b = open_file("/etc/motd");
    char first[8], second[8];
    size_t length;

    CHECK_OK(sys_stream_read(a.stream, first, 8, &length));
    CHECK_OK(sys_stream_read(b.stream, second, 8, &length));
    CHECK(memcmp(first, second, 8) == 0 && memcmp(first, MOTD, 8) == 0);
    CHECK_OK(sys_stream_read(a.stream, first, 8, &length));
    CHECK(memcmp(first, MOTD + 8, 8) == 0);
    fs_close(&b);
    fs_close(&a);
}

TEST(reading_in_pieces_and_through_a_mapping_is_the_same)
{
    struct fs_file file = open_file("/data/odd.bin");
    unsigned char *whole = malloc(file.attributes.size + 1);
    size_t done = 0, length = 0;

    CHECK(whole && file.attributes.size == 12345);
    const unsigned char *memory =
        (unsigned char *)map_vmo(file.vmo, VM_READ, 0, file.attributes.size);
    do {
        CHECK_OK(sys_stream_read(file.stream, whole + done, 1000, &length));
        done += length;
        CHECK(done <= file.attributes.size);
    } while (length > 0);
    CHECK_EQ(done, file.attributes.size);
    CHECK(memcmp(memory, whole, done) == 0);
    for (size_t i = done; i < 4 * PAGE_SIZE; i++)               /* behind the end there are zeros */
        CHECK(memory[i] == 0);
    unmap(memory, file.attributes.size);
    free(whole);
    fs_close(&file);
}

TEST(holes_and_empty_files)
{
    struct fs_file sparse = open_file("/data/sparse.bin"), empty = open_file("/data/empty");
    char text[18], byte;
    size_t length = 1;

    CHECK_EQ(sparse.attributes.size, (3 << 20) + 100);
    CHECK_OK(sys_stream_read_at(sparse.stream, text, 1 << 20, sizeof text, &length));
    CHECK(length == sizeof text && memcmp(text, "between two holes\n", sizeof text) == 0);
    const char *memory = map_vmo(sparse.vmo, VM_READ, 0, sparse.attributes.size);
    CHECK(memory[0] == 0 && memory[(1 << 20) - 1] == 0 && memory[(1 << 20) + 18] == 0 &&
          memory[(3 << 20) + 99] == 0);
    unmap(memory, sparse.attributes.size);
    CHECK_OK(sys_stream_read(empty.stream, &byte, 1, &length));
    CHECK_EQ(length, 0);
    CHECK_EQ(vmo_info(empty.vmo).size_bytes, 0);
    fs_close(&empty);
    fs_close(&sparse);
}

TEST(paths)
{
    static const struct {
        const char *path;
        status_t status;
    } paths[] = {
        { "/etc/motd", OK },
        { "etc/motd", OK },
        { "//etc///motd", OK },
        { "/data/../etc/./motd", OK },
        { "/../../etc/motd", OK },
        { "/data/link-to-motd", OK },
        { "/data/deep/er/and/deeper/still.txt", OK },
        { "/none", ERR_NOT_FOUND },
        { "/etc/none/motd", ERR_NOT_FOUND },
        { "/etc/motd/inside", ERR_WRONG_TYPE },
        { "/etc/mot", ERR_NOT_FOUND },
        { "/etc/motdd", ERR_NOT_FOUND },
        { "/etc", ERR_WRONG_TYPE },
        { "/", ERR_WRONG_TYPE },
        { "", ERR_WRONG_TYPE },
        { "/data/loop", ERR_NO_RESOURCES },
    };
    uint32_t before = open_handles();
    struct fs_file file;
    char name[300];

    for (size_t i = 0; i < array_size(paths); i++) {
        CHECK_STATUS(fs_open(root(), paths[i].path, 0, &file), paths[i].status);
        if (paths[i].status == OK)
            fs_close(&file);
    }
    memset(name, 'n', sizeof name);
    name[299] = '\0';
    CHECK_STATUS(fs_open(root(), name, 0, &file), ERR_INVALID_ARGS);
    name[255] = '\0';
    CHECK_STATUS(fs_open(root(), name, 0, &file), ERR_NOT_FOUND);
    CHECK_STATUS(fs_open(root(), "/data/link-to-motd", FS_NO_FOLLOW, &file), ERR_WRONG_TYPE);
    CHECK_STATUS(fs_open(root(), "/etc/motd", 2, &file), ERR_NOT_SUPPORTED);
    CHECK_EQ(open_handles(), before);
}

TEST(attributes_and_links)
{
    struct fs_attributes motd, link, target, odd, hard;
    struct fs_statistics statistics;
    char text[64];

    CHECK_OK(fs_stat(root(), "/etc/motd", 0, &motd));
    CHECK_EQ(motd.mode & FS_MODE_TYPE, FS_MODE_REGULAR);
    CHECK(motd.size > strlen(MOTD) && motd.links == 1 && motd.modify_time > 0);
    CHECK_OK(fs_stat(root(), "/data/link-to-motd", FS_NO_FOLLOW, &link));
    CHECK_EQ(link.mode & FS_MODE_TYPE, FS_MODE_LINK);
    CHECK_OK(fs_stat(root(), "/data/link-to-motd", 0, &target));
    CHECK(target.inode == motd.inode && link.inode != motd.inode);
    CHECK_OK(fs_stat(root(), "/data/odd.bin", 0, &odd));
    CHECK_OK(fs_stat(root(), "/data/hard-link", 0, &hard));
    CHECK(odd.inode == hard.inode && odd.links == 2 && odd.size == 12345);

    CHECK_OK(fs_read_link(root(), "/data/link-to-motd", text, sizeof text));
    CHECK(strcmp(text, "../etc/motd") == 0);
    CHECK_STATUS(fs_read_link(root(), "/data/link-to-motd", text, 11), ERR_BUFFER_TOO_SMALL);
    CHECK_STATUS(fs_read_link(root(), "/etc/motd", text, sizeof text), ERR_WRONG_TYPE);
    CHECK_STATUS(fs_read_link(root(), "/none", text, sizeof text), ERR_NOT_FOUND);

    CHECK_OK(fs_statfs(root(), &statistics));
    CHECK(strcmp(statistics.type, "ext2") == 0 && statistics.read_only);
    CHECK(statistics.blocks * statistics.block_size == 64 << 20 &&
          statistics.free_blocks < statistics.blocks);
}

TEST(directories_list_each_name_once)
{
    struct fs_directory *directory = malloc(sizeof *directory);
    const struct fs_entry *entry;
    unsigned files = 0, others = 0, seen[200] = { 0 };

    CHECK(directory != NULL);
    fs_directory_begin(directory, root(), "/data/many");
    for (;;) {
        CHECK_OK(fs_directory_next(directory, &entry));
        if (entry == NULL)
            break;
        unsigned number = (unsigned)atoi(entry->name_length == 8 ? entry->name + 5 : "999");
        if (number < 200 && strncmp(entry->name, "file-", 5) == 0 &&
            entry->type == FS_ENTRY_REGULAR) {
            files++;
            seen[number]++;
        } else {
            CHECK(strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0);
            others++;
        }
    }
    CHECK(files == 200 && others == 2);
    for (unsigned i = 0; i < 200; i++)
        CHECK_EQ(seen[i], 1);
    fs_directory_begin(directory, root(), "/etc/motd");
    CHECK_STATUS(fs_directory_next(directory, &entry), ERR_WRONG_TYPE);
    free(directory);
}

/* --- Clients that do not keep to the protocol. --- */

static struct {
    struct fs_request request;
    char path[8192];
} message;

/* Send `length` bytes of `message` as a request: the status that comes back. */
static status_t ask(handle_t channel, uint32_t operation, uint32_t path_length, uint32_t length)
{
    struct fs_reply reply = { 0 };
    handle_t handles[2];
    uint32_t bytes = 0, count = 0;
    channel_call_args_t arguments = {
        .wr_bytes = &message, .wr_num_bytes = length,
        .rd_bytes = &reply, .rd_num_bytes = sizeof reply,
        .rd_handles = handles, .rd_num_handles = 2,
    };

    message.request = (struct fs_request){ .operation = operation, .path_length = path_length };
    status_t status = sys_channel_call(channel, 0, after(PATIENCE), &arguments, &bytes, &count);
    for (uint32_t i = 0; i < count; i++)
        CHECK_OK(sys_handle_close(handles[i]));
    return status == OK ? reply.status : status;
}

static handle_t new_connection(void)
{
    handle_t channel = HANDLE_INVALID;

    CHECK_OK(fs_connect(root(), &channel));
    return channel;
}

TEST(malformed_requests_are_answered)
{
    const uint32_t header = sizeof(struct fs_request);
    handle_t channel = new_connection();

    memcpy(message.path, "/etc/motd", 10);
    CHECK_OK(ask(channel, FS_STAT, 9, header + 9));
    CHECK_STATUS(ask(channel, 0, 9, header + 9), ERR_NOT_SUPPORTED);
    CHECK_STATUS(ask(channel, 999, 9, header + 9), ERR_NOT_SUPPORTED);
    CHECK_STATUS(ask(channel, FS_STAT, 10, header + 9), ERR_INVALID_ARGS);
    CHECK_STATUS(ask(channel, FS_STAT, 8, header + 9), ERR_INVALID_ARGS);
    CHECK_STATUS(ask(channel, FS_STAT, UINT32_MAX, header + 9), ERR_INVALID_ARGS);
    /* a zero in the path */
    CHECK_STATUS(ask(channel, FS_STAT, 10, header + 10), ERR_INVALID_ARGS);
    CHECK_STATUS(ask(channel, FS_STAT, 0, header - 1), ERR_INVALID_ARGS);
    CHECK_STATUS(ask(channel, FS_STAT, 0, 8), ERR_INVALID_ARGS);
    CHECK_OK(ask(channel, FS_STAT, 9, header + 9));
    CHECK_OK(sys_handle_close(channel));
}

TEST(who_breaks_the_protocol_is_dropped)
{
    handle_t channel = new_connection(), event = new_event();
    struct fs_attributes attributes;

    CHECK_STATUS(ask(channel, FS_STAT, 8000, sizeof(struct fs_request) + 8000), ERR_PEER_CLOSED);
    CHECK_OK(sys_handle_close(channel));
    channel = new_connection();
    CHECK_OK(sys_channel_write(channel, 0, &message, sizeof(struct fs_request), &event, 1));
    CHECK_OK(sys_object_wait_one(channel, SIGNAL_PEER_CLOSED, after(PATIENCE), NULL));
    CHECK_OK(sys_handle_close(channel));
    channel = new_connection();
    CHECK_OK(sys_channel_write(channel, 0, &message, 1, NULL, 0));
    CHECK_OK(sys_object_wait_one(channel, SIGNAL_PEER_CLOSED, after(PATIENCE), NULL));
    CHECK_OK(sys_handle_close(channel));
    CHECK_OK(fs_stat(root(), "/etc/motd", 0, &attributes));     /* others are served as before */
}

TEST(clients_come_and_go)
{
    uint64_t channels = system_info().objects[OBJECT_CHANNEL];
    struct fs_attributes attributes;
    struct fs_file file;

    for (int i = 0; i < 100; i++) {
        handle_t channel = new_connection();

        CHECK_OK(fs_stat(channel, "/etc/motd", 0, &attributes));
        CHECK_OK(fs_open(channel, "/etc/motd", 0, &file));
        CHECK_OK(sys_handle_close(channel));
        fs_close(&file);
    }
    CHECK(objects_come_down_to(OBJECT_CHANNEL, channels));
}

TEST(a_program_runs_from_its_file)
{
    static const char *const arguments[] = { "/bin/true", NULL };
    int64_t code = 1;

    CHECK_OK(program_run(arguments, &code));
    CHECK_EQ(code, 0);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
