/*
 * t_posix.c: the POSIX layer: descriptors, paths, directories, mappings, clocks.
 */
#include "posix.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

/* --- Descriptors. --- */

TEST(reading_and_seeking)
{
    char text[100];
    int file = open_motd();

    CHECK_EQ(read(file, text, 7), 7);
    CHECK(memcmp(text, "Welcome", 7) == 0);
    CHECK_EQ(pread(file, text, 5, 11), 5);
    CHECK(memcmp(text, "Quire", 5) == 0);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 7);              /* pread moved nothing */
    CHECK_EQ(lseek(file, 4, SEEK_CUR), 11);
    CHECK_EQ(read(file, text, 5), 5);
    CHECK(memcmp(text, "Quire", 5) == 0);
    off_t end = lseek(file, 0, SEEK_END);
    CHECK_EQ(read(file, text, 1), 0);
    CHECK_EQ(lseek(file, -1, SEEK_END), end - 1);
    CHECK_ERRNO(lseek(file, -1, SEEK_SET), EINVAL);
    CHECK_ERRNO(lseek(file, 0, 9), EINVAL);
    CHECK_ERRNO(pread(file, text, 1, -1), EINVAL);
    CHECK_EQ(isatty(file), 0);
    CHECK_EQ(close(file), 0);
    CHECK_ERRNO(close(file), EBADF);
    CHECK_ERRNO(read(file, text, 1), EBADF);
    CHECK_ERRNO(read(-1, text, 1), EBADF);
    CHECK_ERRNO(pread(64, text, 1, 0), EBADF);
    CHECK_ERRNO(lseek(1000, 0, SEEK_SET), EBADF);
}

TEST(paths_that_do_not_open)
{
    static const struct {
        const char *path;
        int flags, code;
    } paths[] = {
        { "/none", O_RDONLY, ENOENT },
        { "", O_RDONLY, ENOENT },
        { "/etc/motd/inside", O_RDONLY, ENOTDIR },
        { "/data", O_RDONLY, EISDIR },
        { "/data/loop", O_RDONLY, ELOOP },
        { "/data/broken-link", O_RDONLY, ENOENT },
        { "/data/link-to-motd", O_RDONLY | O_NOFOLLOW, ELOOP },
        { "/etc/motd", O_WRONLY, EROFS },
        { "/etc/new", O_WRONLY | O_CREAT, EROFS },
    };
    char long_name[5000];

    close(open_motd());
    for (size_t i = 0; i < array_size(paths); i++)
        CHECK_ERRNO(open(paths[i].path, paths[i].flags), paths[i].code);
    memset(long_name, 'n', sizeof long_name);
    long_name[4999] = 0;
    CHECK_ERRNO(open(long_name, O_RDONLY), ENAMETOOLONG);
    long_name[300] = 0;
    CHECK_ERRNO(open(long_name, O_RDONLY), ENAMETOOLONG);
}

TEST(duplicates_share_the_position)
{
    char byte;
    int file = open_motd(), copy = dup(file), other;

    CHECK(copy > file);
    CHECK_EQ(read(file, &byte, 1), 1);
    CHECK_EQ(lseek(copy, 0, SEEK_CUR), 1);
    CHECK_EQ(dup2(file, 40), 40);
    CHECK_EQ(lseek(40, 5, SEEK_SET), 5);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 5);
    CHECK_EQ(dup2(file, file), file);
    other = open_motd();
    CHECK_EQ(lseek(other, 0, SEEK_CUR), 0);
    CHECK_EQ(dup2(other, 40), 40);                      /* closes what was there */
    CHECK_EQ(lseek(40, 0, SEEK_CUR), 0);
    CHECK_ERRNO(dup(99), EBADF);
    CHECK_ERRNO(dup2(99, 3), EBADF);
    CHECK_ERRNO(dup2(file, 64), EBADF);
    CHECK_EQ(close(40) | close(other) | close(copy) | close(file), 0);
}

TEST(a_table_has_an_end)
{
    int files[64], count = 0;

    files[count++] = open_motd();
    while (count < 64 && (files[count] = dup(files[0])) >= 0)
        count++;
    CHECK_EQ(count, 64 - 3);
    CHECK_ERRNO(dup(files[0]), EMFILE);
    CHECK_ERRNO(open("/etc/motd", O_RDONLY), EMFILE);
    CHECK_ERRNO(pipe(files), EMFILE);
    while (count > 0)
        CHECK_EQ(close(files[--count]), 0);
}

TEST(pipes)
{
    int ends[2];
    char text[8];

    CHECK_EQ(pipe(ends), 0);
    CHECK_EQ(write(ends[1], "through", 7), 7);
    CHECK_EQ(read(ends[0], text, 8), 7);
    CHECK_ERRNO(lseek(ends[0], 0, SEEK_SET), ESPIPE);
    CHECK_ERRNO(pread(ends[0], text, 1, 0), ESPIPE);
    CHECK_EQ(close(ends[1]), 0);
    CHECK_EQ(read(ends[0], text, 8), 0);
    CHECK_EQ(close(ends[0]), 0);
}

TEST(the_null_device)
{
    char byte;
    struct stat info;
    int null = open("/dev/null", O_RDWR);

    CHECK_EQ(read(null, &byte, 1), 0);
    CHECK_EQ(write(null, "lost", 4), 4);
    CHECK_EQ(fstat(null, &info), 0);
    CHECK(S_ISCHR(info.st_mode));
    CHECK_ERRNO(lseek(null, 0, SEEK_SET), ESPIPE);
    CHECK_EQ(close(null), 0);
}

TEST(lines_of_any_length)
{
    char *line = NULL;
    size_t size = 0;
    int ends[2];
    char text[4000];

    CHECK_EQ(pipe(ends), 0);
    memset(text, 'x', sizeof text);
    text[2] = text[sizeof text - 5] = '\n';
    CHECK_EQ(write(ends[1], text, sizeof text), sizeof text);
    CHECK_EQ(close(ends[1]), 0);
    FILE *file = fdopen(ends[0], "r");
    CHECK(file != NULL);
    CHECK_EQ(getline(&line, &size, file), 3);
    CHECK_EQ(getline(&line, &size, file), sizeof text - 7);
    CHECK_EQ(getline(&line, &size, file), 4);
    CHECK(strcmp(line, "xxxx") == 0);
    CHECK_EQ(getline(&line, &size, file), -1);
    free(line);
    fclose(file);
}

/* --- Paths. --- */

TEST(attributes)
{
    struct stat motd, link, target, open_one, other;
    char text[64];
    int file = open_motd();

    CHECK_EQ(stat("/etc/motd", &motd), 0);
    CHECK(S_ISREG(motd.st_mode) && motd.st_size > 60 && motd.st_nlink == 1 && motd.st_mtime > 0);
    CHECK_EQ(fstat(file, &open_one), 0);
    CHECK(open_one.st_ino == motd.st_ino && open_one.st_size == motd.st_size);
    CHECK_EQ(lstat("/data/link-to-motd", &link), 0);
    CHECK(S_ISLNK(link.st_mode));
    CHECK_EQ(stat("/data/link-to-motd", &target), 0);
    CHECK_EQ(target.st_ino, motd.st_ino);
    CHECK_EQ(stat("/", &other), 0);
    CHECK(S_ISDIR(other.st_mode));
    CHECK_EQ(fstat(1, &other), 0);
    CHECK_ERRNO(stat("/none", &other), ENOENT);
    CHECK_ERRNO(stat("/etc/motd/x", &other), ENOTDIR);
    CHECK_ERRNO(fstat(63, &other), EBADF);
    CHECK_EQ(readlink("/data/link-to-motd", text, sizeof text), 11);
    CHECK(memcmp(text, "../etc/motd", 11) == 0);
    CHECK_EQ(readlink("/data/link-to-motd", text, 4), 4);
    CHECK_ERRNO(readlink("/etc/motd", text, 4), EINVAL);
    CHECK_ERRNO(readlink("/none", text, 4), ENOENT);
    CHECK_EQ(access("/etc/motd", R_OK), 0);
    CHECK_ERRNO(access("/etc/motd", W_OK), EROFS);
    CHECK_ERRNO(access("/etc/motd", X_OK), EACCES);
    CHECK_EQ(access("/bin/true", X_OK), 0);
    CHECK_EQ(close(file), 0);
}

TEST(the_current_directory)
{
    char path[300], small[3];
    struct stat info;

    close(open_motd());
    CHECK_EQ(chdir("/data/deep"), 0);
    CHECK(strcmp(getcwd(path, sizeof path), "/data/deep") == 0);
    CHECK_EQ(stat("er/and", &info), 0);
    CHECK_EQ(stat("../odd.bin", &info), 0);
    CHECK_EQ(chdir(".."), 0);
    CHECK(strcmp(getcwd(path, sizeof path), "/data") == 0);
    CHECK_EQ(chdir("link-to-folder"), 0);               /* as the disk has it, not as typed */
    CHECK(strcmp(getcwd(path, sizeof path), "/data/deep/er/and") == 0);
    CHECK(getcwd(small, sizeof small) == NULL && errno == ERANGE);
    CHECK_ERRNO(chdir("/etc/motd"), ENOTDIR);
    CHECK_ERRNO(chdir("nowhere"), ENOENT);
    CHECK(strcmp(getcwd(path, sizeof path), "/data/deep/er/and") == 0);
    CHECK_EQ(chdir("../../../../../.."), 0);
    CHECK(strcmp(getcwd(path, sizeof path), "/") == 0);
}

TEST(real_paths)
{
    static const struct {
        const char *path, *real;
    } paths[] = {
        { "/", "/" },
        { "//etc/./motd", "/etc/motd" },
        { "/data/../etc/motd", "/etc/motd" },
        { "/data/link-to-motd", "/etc/motd" },
        { "/data/absolute-link", "/etc/motd" },
        { "/data/long-link", "/data/deep/er/and/deeper/still.txt" },
        { "/data/link-to-folder/../../er/and/deeper", "/data/deep/er/and/deeper" },
        { "/data/link-to-folder/", "/data/deep/er/and" },
    };

    close(open_motd());
    for (size_t i = 0; i < array_size(paths); i++) {
        char *real = realpath(paths[i].path, NULL);
        CHECK(real != NULL && strcmp(real, paths[i].real) == 0);
        free(real);
    }
    CHECK(realpath("/data/loop", NULL) == NULL && errno == ELOOP);
    CHECK(realpath("/data/broken-link", NULL) == NULL && errno == ENOENT);
    CHECK(realpath("/etc/motd/..", NULL) == NULL && errno == ENOTDIR);
}

TEST(directories)
{
    const struct dirent *entry;
    unsigned files = 0, rounds;

    close(open_motd());
    DIR *directory = opendir("/data/many");
    CHECK(directory != NULL);
    for (rounds = 0; rounds < 2; rounds++, rewinddir(directory)) {
        while ((entry = readdir(directory)) != NULL)
            files += entry->d_type == DT_REG && strncmp(entry->d_name, "file-", 5) == 0;
    }
    CHECK_EQ(files, 400);
    CHECK_EQ(closedir(directory), 0);
    CHECK(opendir("/etc/motd") == NULL && errno == ENOTDIR);
    CHECK(opendir("/none") == NULL && errno == ENOENT);

    bool found = false;
    directory = opendir("/data/names");
    CHECK(directory != NULL);
    while ((entry = readdir(directory)) != NULL)
        found |= strlen(entry->d_name) == 255 && entry->d_name[0] == 'a';
    CHECK(found);
    closedir(directory);
}

/* --- Mappings. --- */

TEST(files_in_memory)
{
    int file = open_motd(), ends[2];
    size_t length = strlen(MOTD);

    char *shared = mmap(NULL, length, PROT_READ, MAP_SHARED, file, 0);
    char *own = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
    CHECK(shared != MAP_FAILED && own != MAP_FAILED);
    CHECK(memcmp(shared, MOTD, length) == 0 && memcmp(own, MOTD, length) == 0);
    own[0] = 'w';
    CHECK_EQ(shared[0], 'W');
    CHECK_EQ(close(file), 0);
    CHECK(memcmp(shared, MOTD, length) == 0);           /* a mapping outlives its descriptor */
    CHECK_EQ(munmap(shared, length) | munmap(own, length), 0);

    file = open("/data/odd.bin", O_RDONLY);
    char *second = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE, file, PAGE_SIZE), bytes[8];
    CHECK(second != MAP_FAILED && pread(file, bytes, 8, PAGE_SIZE) == 8);
    CHECK(memcmp(second, bytes, 8) == 0);
    CHECK_EQ(munmap(second, PAGE_SIZE), 0);
    CHECK(mmap(NULL, 5 * PAGE_SIZE, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED &&
          errno == ENXIO);
    CHECK(mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 100) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, 0, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, 1, PROT_READ, 0, file, 0) == MAP_FAILED && errno == EINVAL);
    CHECK(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED &&
          errno == EACCES);
    CHECK_EQ(close(file), 0);
    CHECK(mmap(NULL, 1, PROT_READ, MAP_SHARED, file, 0) == MAP_FAILED && errno == EBADF);
    CHECK_EQ(pipe(ends), 0);
    CHECK(mmap(NULL, 1, PROT_READ, MAP_SHARED, ends[0], 0) == MAP_FAILED && errno == ENODEV);
    CHECK_EQ(close(ends[0]) | close(ends[1]), 0);
}

TEST(memory_of_nothing)
{
    char *memory = mmap(NULL, 3 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
                        -1, 0);

    CHECK(memory != MAP_FAILED && memory[0] == 0 && memory[3 * PAGE_SIZE - 1] == 0);
    memory[PAGE_SIZE] = 1;
    CHECK(mmap(memory + PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == memory + PAGE_SIZE);
    CHECK_EQ(memory[PAGE_SIZE], 0);                     /* the new one is in the place of the old */
    CHECK_EQ(mprotect(memory, PAGE_SIZE, PROT_READ), 0);
    CHECK_EQ(munmap(memory + PAGE_SIZE, PAGE_SIZE), 0);
    CHECK_ERRNO(mprotect(memory, 3 * PAGE_SIZE, PROT_READ), ENOMEM);
    CHECK_EQ(munmap(memory, 3 * PAGE_SIZE), 0);
    CHECK_EQ(munmap(memory, 3 * PAGE_SIZE), 0);         /* nothing there: no error */
}

TEST(clocks)
{
    struct timespec before, now, wall;

    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &before), 0);
    CHECK_EQ(nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL), 0);
    CHECK_EQ(clock_gettime(CLOCK_MONOTONIC, &now), 0);
    CHECK((now.tv_sec - before.tv_sec) * 1000000000 + now.tv_nsec - before.tv_nsec >= 2000000);
    CHECK_EQ(clock_gettime(CLOCK_REALTIME, &wall), 0);
    CHECK(wall.tv_sec > 1600000000);
    CHECK_ERRNO(nanosleep(&(struct timespec){ .tv_nsec = -1 }, NULL), EINVAL);
    CHECK_ERRNO(clock_gettime(77, &now), EINVAL);
}

TEST(nothing_is_left_behind)
{
    check_nothing_is_left();
}
