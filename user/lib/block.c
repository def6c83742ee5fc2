/*
 * block.c: disks and partitions by name.
 *
 * A partition table (GPT) is a header in block 1 of the disk, with a checksum, that says where an
 * array of entries is.  Everything in it is checked against the size of the disk.
 */
#include <quire.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_SIZE = 92, ENTRY_COUNT_MAX = 256, ENTRY_SIZE_MAX = 4096, DISKS_MAX = 26 };

struct table_header {
    char     signature[8];
    uint32_t revision, header_size, header_checksum, reserved;
    uint64_t this_block, other_block, first_usable, last_usable;
    uint8_t  disk_guid[16];
    uint64_t entries_block;
    uint32_t entry_count, entry_size, entries_checksum;
};

struct table_entry {
    uint8_t  type[16], guid[16];
    uint64_t first_block, last_block;
    uint64_t flags;
    uint16_t name[PARTITION_LABEL_MAX];
};

/* CRC-32 as the table uses it (reflected, polynomial 0x04c11db7). */
static uint32_t checksum(const void *data, size_t length)
{
    const uint8_t *bytes = data;
    uint32_t sum = 0xffffffff;
    for (size_t i = 0; i < length; i++) {
        sum ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
    }
    return ~sum;
}

/* An open partition table. */
struct table {
    handle_t vmo;                       /* the disk's content */
    block_info_t info;
    struct table_header header;
};

static bool header_is_valid(const struct table_header *header, uint64_t blocks)
{
    struct table_header copy = *header;
    copy.header_checksum = 0;
    return memcmp(header->signature, "EFI PART", 8) == 0 && header->header_size == HEADER_SIZE &&
           checksum(&copy, HEADER_SIZE) == header->header_checksum &&
           header->entry_size >= sizeof(struct table_entry) &&
           header->entry_size <= ENTRY_SIZE_MAX && header->entry_count <= ENTRY_COUNT_MAX &&
           header->entries_block < blocks;
}

static status_t table_open(handle_t disk, struct table *table)
{
    status_t status = sys_block_get_info(disk, &table->info);
    if (status == OK && table->info.size < 2 * (uint64_t)table->info.block_size)
        status = ERR_NOT_FOUND;
    if (status == OK)
        status = sys_block_create_vmo(disk, 0, &table->vmo);
    if (status != OK)
        return status;
    status = sys_vmo_read(table->vmo, VMO_MAY_BLOCK, &table->header, table->info.block_size,
                          HEADER_SIZE);
    if (status == OK && !header_is_valid(&table->header, table->info.size / table->info.block_size))
        status = ERR_NOT_FOUND;
    if (status != OK)
        sys_handle_close(table->vmo);
    return status;
}

/* NOT_FOUND: the entry is unused, or names what the disk has not. */
static status_t decode(const struct table *table, const struct table_entry *entry, struct partition *out)
{
    static const uint8_t unused[16];
    uint64_t block_size = table->info.block_size;
    if (memcmp(entry->type, unused, sizeof unused) == 0 || entry->first_block > entry->last_block ||
        entry->last_block >= table->info.size / block_size)
        return ERR_NOT_FOUND;

    out->offset = entry->first_block * block_size;
    out->length = (entry->last_block - entry->first_block + 1) * block_size;
    memcpy(out->type, entry->type, sizeof out->type);
    int i = 0;
    for (; i < PARTITION_LABEL_MAX && entry->name[i] != 0; i++)
        out->label[i] = entry->name[i] < 128 ? entry->name[i] : '?';
    out->label[i] = 0;
    return OK;
}

static status_t table_entry(const struct table *table, uint32_t number, struct partition *out)
{
    struct table_entry entry;
    uint64_t block_size = table->info.block_size;
    if (number == 0 || number > table->header.entry_count)
        return ERR_NOT_FOUND;
    uint64_t offset = table->header.entries_block * block_size +
                      (uint64_t)(number - 1) * table->header.entry_size;
    if (offset > table->info.size - sizeof entry)
        return ERR_NOT_FOUND;
    status_t status = sys_vmo_read(table->vmo, VMO_MAY_BLOCK, &entry, offset, sizeof entry);
    return status == OK ? decode(table, &entry, out) : status;
}

status_t partition_read(handle_t disk, uint32_t number, struct partition *out_partition)
{
    struct table table;
    status_t status = table_open(disk, &table);
    if (status != OK)
        return status;
    status = table_entry(&table, number, out_partition);
    sys_handle_close(table.vmo);
    return status;
}

/* Does the partition lie where partitions may be, and apart from the others? */
static bool is_apart(const struct table *table, const struct partition *partition, const struct partition *others,
                     size_t count)
{
    uint64_t block_size = table->info.block_size, end = partition->offset + partition->length;
    bool apart = partition->offset / block_size >= table->header.first_usable &&
                 end / block_size <= table->header.last_usable + 1;
    for (size_t i = 0; i < count; i++)
        apart &= end <= others[i].offset || others[i].offset + others[i].length <= partition->offset;
    return apart;
}

/* IO_DATA_INTEGRITY: the entries are not those that the header speaks of. */
static status_t decode_all(const struct table *table, const uint8_t *entries, struct partition *partitions,
                           size_t *out_count)
{
    const struct table_header *header = &table->header;
    bool whole = checksum(entries, (size_t)header->entry_count * header->entry_size) == header->entries_checksum;
    *out_count = 0;
    for (uint32_t i = 0; i < header->entry_count && whole; i++) {
        struct table_entry entry;
        memcpy(&entry, entries + (size_t)i * header->entry_size, sizeof entry);
        if (decode(table, &entry, &partitions[*out_count]) != OK)
            continue;
        whole = is_apart(table, &partitions[*out_count], partitions, *out_count);
        ++*out_count;
    }
    return whole ? OK : ERR_IO_DATA_INTEGRITY;
}

status_t partition_list(handle_t disk, struct partition **out_partitions, size_t *out_count)
{
    struct table table;
    status_t status = table_open(disk, &table);
    if (status != OK)
        return status;
    size_t size = (size_t)table.header.entry_count * table.header.entry_size;
    uint64_t offset = table.header.entries_block * table.info.block_size;
    uint8_t *entries = malloc(size);
    struct partition *partitions = calloc(table.header.entry_count, sizeof partitions[0]);
    status = !entries || !partitions ? ERR_NO_MEMORY :
             size > table.info.size - offset ? ERR_IO_DATA_INTEGRITY :
             sys_vmo_read(table.vmo, VMO_MAY_BLOCK, entries, offset, size);
    if (status == OK)
        status = decode_all(&table, entries, partitions, out_count);
    free(entries);
    if (status != OK)
        free(partitions);
    else
        *out_partitions = partitions;
    sys_handle_close(table.vmo);
    return status;
}

/* Partition `number` of a disk; 0: the disk itself.  The disk's handle is used up. */
static status_t open_number(handle_t disk, uint32_t number, handle_t *out_device)
{
    struct partition partition;
    if (number == 0) {
        *out_device = disk;
        return OK;
    }
    status_t status = partition_read(disk, number, &partition);
    if (status == OK)
        status = sys_block_create_partition(disk, partition.offset, partition.length,
                                            RIGHT_SAME_RIGHTS, out_device);
    sys_handle_close(disk);
    return status;
}

/* The number of the partition with this label; NOT_FOUND. */
static status_t find_label(handle_t disk, const char *label, uint32_t *out_number)
{
    struct table table;
    struct partition partition;
    status_t status = table_open(disk, &table);
    if (status != OK)
        return status;
    status = ERR_NOT_FOUND;
    uint32_t last = table.header.entry_count;
    for (uint32_t number = 1; number <= last && status == ERR_NOT_FOUND; number++) {
        status = table_entry(&table, number, &partition);
        if (status == OK && strcmp(partition.label, label) != 0)
            status = ERR_NOT_FOUND;
        *out_number = number;
    }
    sys_handle_close(table.vmo);
    return status;
}

/* The label on any disk; a disk that cannot be read is passed over. */
static status_t open_label(const char *label, handle_t *out_device)
{
    for (uint32_t index = 0; index < DISKS_MAX; index++) {
        handle_t disk;
        uint32_t number;
        status_t status = sys_system_get_block(system_handle(), index, &disk);
        if (status != OK)
            return status;
        if (find_label(disk, label, &number) == OK)
            return open_number(disk, number, out_device);
        sys_handle_close(disk);
    }
    return ERR_NOT_FOUND;
}

status_t block_open(const char *name, handle_t *out_device)
{
    char *end;
    handle_t disk;
    if (strncmp(name, "vd", 2) != 0 || name[2] < 'a' || name[2] > 'z')
        return open_label(name, out_device);
    unsigned long number = name[3] == 0 ? 0 : strtoul(name + 3, &end, 10);
    if (name[3] != 0 && (number == 0 || number > ENTRY_COUNT_MAX || *end != 0 || name[3] == '+' ||
                         name[3] == '-' || name[3] == ' '))
        return open_label(name, out_device);
    status_t status = sys_system_get_block(system_handle(), name[2] - 'a', &disk);
    return status == OK ? open_number(disk, number, out_device) : status;
}
