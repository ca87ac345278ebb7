/* A disk that fails at a chosen step, put before the C library with LD_PRELOAD: what a process does to the files below
 * one folder is journalled, and step `at` is refused or is the process's last. failing_disk.py reads the journal and
 * says what of it a power cut leaves. Other files, and a process that never called failing_disk_begin, are untouched. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum mode { JOURNAL_ONLY, FAIL_ONCE, FAIL_FROM_THERE_ON, DIE };

static char folder[PATH_MAX];
static int journal = -1;
static long at, seen;
static int mode, refusal;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int failing_disk_begin(const char *path, const char *journal_path, long step, int how, int error_number) {
    journal = REAL(open)(journal_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    snprintf(folder, sizeof folder, "%s/", path);
    at = step, mode = how, refusal = error_number, seen = 0;
    return journal < 0 ? -1 : 0;
}

static int is_ours(const char *path) { return journal >= 0 && strncmp(path, folder, strlen(folder)) == 0; }

/* The folder itself is ours too, where it is synced. */
static int is_ours_or_root(const char *path) {
    return is_ours(path) || (journal >= 0 && strlen(path) + 1 == strlen(folder) && !strncmp(path, folder, strlen(path)));
}

static int is_our_descriptor(int fd) {
    char link[64], path[PATH_MAX];
    if (journal < 0 || fd == journal) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_ours_or_root(path);
}

static void note(const char *format, ...) {
    char line[2 * PATH_MAX + 64];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (REAL(write)(journal, line, length) != length) abort();
}

static void note_bytes(unsigned long inode, long offset, const unsigned char *data, size_t count) {
    char *line = malloc(2 * count + 64);
    if (!line) abort();
    size_t length = sprintf(line, "write\t%lu\t%ld\t", inode, offset);
    for (size_t i = 0; i < count; i++) length += sprintf(line + length, "%02x", data[i]);
    line[length++] = '\n';
    if (REAL(write)(journal, line, length) != (ssize_t)length) abort();
    free(line);
}

static unsigned long inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

static unsigned long inode_at(const char *path) {
    struct stat found;
    return lstat(path, &found) ? 0 : found.st_ino;
}

/* Return whether this step is refused, with errno set; where it is to be the last one, do not return. */
static int refused(const char *what, const char *path) {
    seen++;
    note("step\t%s\t%s\n", what, path);
    if (mode == DIE && seen == at) raise(SIGKILL);
    if ((mode == FAIL_ONCE && seen == at) || (mode == FAIL_FROM_THERE_ON && seen >= at)) {
        errno = refusal;
        return 1;
    }
    return 0;
}

static int opening(const char *name, const char *path, int flags, mode_t permissions) {
    int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, name);
    int creates = (flags & O_CREAT) && is_ours(path) && inode_at(path) == 0;
    if (creates && refused("create", path)) return -1;
    int fd = real(path, flags, permissions);
    if (fd >= 0 && creates) note("create\t%lu\t%s\n", inode_of(fd), path);
    if (fd >= 0 && !creates && (flags & O_TRUNC) && is_ours(path)) note("truncate\t%lu\t0\n", inode_of(fd));
    return fd;
}

#define OPEN(name)                                                                       \
    int name(const char *path, int flags, ...) {                                         \
        va_list arguments;                                                               \
        va_start(arguments, flags);                                                      \
        mode_t permissions = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0; \
        va_end(arguments);                                                               \
        return opening(#name, path, flags, permissions);                                 \
    }
OPEN(open)
OPEN(open64)

static ssize_t writing(int fd, const void *data, size_t count, off_t offset, int is_positioned) {
    if (is_our_descriptor(fd)) {
        off_t place = is_positioned ? offset : lseek(fd, 0, SEEK_CUR);
        /* A disk that gets full, and a crash while writing, take the first half. */
        int torn = seen + 1 == at && count > 1 && (mode == FAIL_FROM_THERE_ON || mode == DIE);
        size_t taken = torn ? count / 2 : count;
        if (!torn && refused("write", "")) return -1;
        ssize_t written = is_positioned ? REAL(pwrite)(fd, data, taken, offset) : REAL(write)(fd, data, taken);
        if (written > 0) note_bytes(inode_of(fd), place, data, written);
        if (torn) {
            if (mode == DIE) refused("write", "");
            seen++;
        }
        return written;
    }
    return is_positioned ? REAL(pwrite)(fd, data, count, offset) : REAL(write)(fd, data, count);
}

ssize_t write(int fd, const void *data, size_t count) { return writing(fd, data, count, 0, 0); }
ssize_t pwrite(int fd, const void *data, size_t count, off_t offset) { return writing(fd, data, count, offset, 1); }
ssize_t pwrite64(int fd, const void *data, size_t count, off_t offset) { return writing(fd, data, count, offset, 1); }

static int truncating(int fd, off_t length) {
    if (!is_our_descriptor(fd)) return REAL(ftruncate)(fd, length);
    if (refused("truncate", "")) return -1;
    int failed = REAL(ftruncate)(fd, length);
    if (!failed) note("truncate\t%lu\t%ld\n", inode_of(fd), (long)length);
    return failed;
}

int ftruncate(int fd, off_t length) { return truncating(fd, length); }
int ftruncate64(int fd, off_t length) { return truncating(fd, length); }

/* What a failed fsync leaves is lost: the kernel takes the pages for clean and never writes them again. */
static int syncing(int fd, int (*real)(int)) {
    if (!is_our_descriptor(fd)) return real(fd);
    if (refused("sync", "")) {
        note("lose\t%lu\n", inode_of(fd));
        return -1;
    }
    int failed = real(fd);
    if (!failed) note("sync\t%lu\n", inode_of(fd));
    return failed;
}

int fsync(int fd) { return syncing(fd, REAL(fsync)); }
int fdatasync(int fd) { return syncing(fd, REAL(fdatasync)); }

static int linking(const char *from, const char *to) {
    if (!is_ours(to)) return REAL(link)(from, to);
    if (inode_at(to) == 0 && refused("link", to)) return -1;
    int failed = REAL(link)(from, to);
    if (!failed) note("link\t%lu\t%s\n", inode_at(to), to);
    return failed;
}

int link(const char *from, const char *to) { return linking(from, to); }

int linkat(int from_folder, const char *from, int to_folder, const char *to, int flags) {
    if (from_folder == AT_FDCWD && to_folder == AT_FDCWD && is_ours(to)) return linking(from, to);
    return REAL(linkat)(from_folder, from, to_folder, to, flags);
}

int rename(const char *from, const char *to) {
    if (!is_ours(to)) return REAL(rename)(from, to);
    if (refused("rename", to)) return -1;
    int failed = REAL(rename)(from, to);
    if (!failed) note("rename\t%s\t%s\n", from, to);
    return failed;
}

int unlink(const char *path) {
    if (!is_ours(path) || inode_at(path) == 0) return REAL(unlink)(path);
    if (refused("unlink", path)) return -1;
    int failed = REAL(unlink)(path);
    if (!failed) note("unlink\t%s\n", path);
    return failed;
}

int mkdir(const char *path, mode_t permissions) {
    if (!is_ours(path) || inode_at(path) != 0) return REAL(mkdir)(path, permissions);
    if (refused("mkdir", path)) return -1;
    int failed = REAL(mkdir)(path, permissions);
    if (!failed) note("mkdir\t%lu\t%s\n", inode_at(path), path);
    return failed;
}

int rmdir(const char *path) {
    int failed = REAL(rmdir)(path);
    if (!failed && is_ours(path)) note("rmdir\t%s\n", path);
    return failed;
}
