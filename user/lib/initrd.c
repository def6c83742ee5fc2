/*
 * initrd.c: files of the boot archive.
 *
 * The archive is a cpio file of the `newc` kind: for each file a header of text digits, its name
 * and its data, the last two padded to four bytes.  It is mapped once; every length in it is
 * checked against its end.
 */
#include "internal.h"

#include <string.h>

#define HEADER_SIZE 110u
#define MAGIC "070701"
#define TRAILER "TRAILER!!!"

/* Where the fields of 8 hexadecimal digits are in a header. */
enum { FIELD_MODE = 14, FIELD_FILE_SIZE = 54, FIELD_NAME_SIZE = 94 };

struct archive_file {
    const char *name;
    size_t name_length;
    const char *data;
    uint64_t size;
    uint32_t mode;
};

static struct quire_mutex lock;
FORK_TAKES(lock);
static const char *archive;
static uint64_t archive_size;

static status_t map_archive_locked(void)
{
    uint64_t size;
    uintptr_t address;
    if (archive != NULL)
        return OK;
    if (initrd_handle() == HANDLE_INVALID)
        return ERR_NOT_FOUND;
    status_t status = sys_vmo_get_content_size(initrd_handle(), &size);
    if (status == OK && size == 0)
        status = ERR_NOT_FOUND;
    if (status == OK)
        status = sys_vm_map(process_self(), VM_READ | VM_SHARED, 0, initrd_handle(), 0,
                            (size + PAGE_SIZE - 1) & -PAGE_SIZE, &address);
    if (status != OK)
        return status;
    archive_size = size;
    archive = (const char *)address;
    return OK;
}

static status_t map_archive(void)
{
    quire_mutex_lock(&lock);
    status_t status = map_archive_locked();
    quire_mutex_unlock(&lock);
    return status;
}

static bool parse_digits(const char *text, uint32_t *out_value)
{
    uint32_t value = 0;
    for (int i = 0; i < 8; i++) {
        char c = text[i];
        uint32_t digit = c >= '0' && c <= '9' ? (uint32_t)(c - '0')
                       : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                       : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10) : 16;
        if (digit == 16)
            return false;
        value = value << 4 | digit;
    }
    *out_value = value;
    return true;
}

/*
 * The file at *offset, which moves to the next one.  NOT_FOUND at the end, IO_DATA_INTEGRITY if it
 * is no archive.
 */
static status_t next_file(uint64_t *offset, struct archive_file *file)
{
    uint32_t name_size, file_size;
    const char *header = archive + *offset;
    if (*offset > archive_size || archive_size - *offset < HEADER_SIZE ||
        memcmp(header, MAGIC, 6) != 0 || !parse_digits(header + FIELD_MODE, &file->mode) ||
        !parse_digits(header + FIELD_FILE_SIZE, &file_size) ||
        !parse_digits(header + FIELD_NAME_SIZE, &name_size) || name_size == 0)
        return ERR_IO_DATA_INTEGRITY;

    uint64_t data = (*offset + HEADER_SIZE + name_size + 3) & -4ull;
    if (data > archive_size || archive_size - data < file_size)
        return ERR_IO_DATA_INTEGRITY;
    file->name = header + HEADER_SIZE;
    file->name_length = strnlen(file->name, name_size);
    file->data = archive + data;
    file->size = file_size;
    *offset = (data + file_size + 3) & -4ull;
    bool last = file->name_length == strlen(TRAILER) &&
                memcmp(file->name, TRAILER, strlen(TRAILER)) == 0;
    return last ? ERR_NOT_FOUND : OK;
}

static bool is_regular(const struct archive_file *file)
{
    return (file->mode & 0170000) == 0100000;
}

status_t initrd_entry(size_t index, const char **out_path, size_t *out_length, uint64_t *out_size)
{
    struct archive_file file;
    uint64_t offset = 0;
    status_t status = map_archive();
    while (status == OK) {
        status = next_file(&offset, &file);
        if (status != OK || !is_regular(&file))
            continue;
        if (index-- == 0) {
            *out_path = file.name;
            *out_length = file.name_length;
            *out_size = file.size;
            return OK;
        }
    }
    return status;
}

/* Nobody writes to it any more, so processes may share it however they come about. */
#define RIGHTS_READ_ONLY (RIGHT_DUPLICATE | RIGHT_TRANSFER | RIGHT_READ | RIGHT_EXECUTE |         \
                          RIGHT_MAP | RIGHT_WAIT | RIGHT_INSPECT)

static status_t copy_file(const struct archive_file *file, handle_t *out_vmo)
{
    handle_t vmo;
    status_t status = sys_vmo_create(file->size, 0, &vmo);
    if (status != OK)
        return status;
    if (file->size > 0)
        status = sys_vmo_write(vmo, 0, file->data, 0, file->size);
    if (status == OK)
        status = sys_vmo_set_content_size(vmo, file->size);
    if (status != OK) {
        sys_handle_close(vmo);
        return status;
    }
    return sys_handle_replace(vmo, RIGHTS_READ_ONLY, out_vmo);
}

status_t initrd_open(const char *path, handle_t *out_vmo)
{
    struct archive_file file;
    uint64_t offset = 0;
    status_t status = map_archive();
    while (status == OK) {
        status = next_file(&offset, &file);
        if (status == OK && is_regular(&file) && file.name_length == strlen(path) &&
            memcmp(file.name, path, file.name_length) == 0)
            return copy_file(&file, out_vmo);
    }
    return status;
}
