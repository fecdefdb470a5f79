// SPDX-License-Identifier: GPL-2.0-only
// Preloaded (LD_PRELOAD), it has one system call of a program fail, or kills the program there:
//   XVTEP_FAULT=N:ERRNO  the Nth call of those below fails with this errno; ERRNO 0: SIGKILL
//   instead XVTEP_FAULT_COUNT=FILE  how many such calls there were, written at the program's end
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

static atomic_int calls;
static int at = -1, with;

__attribute__((constructor)) static void begin(void)
{
    const char *fault = getenv("XVTEP_FAULT");
    if (fault != NULL && sscanf(fault, "%d:%d", &at, &with) != 2)
        abort();
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("XVTEP_FAULT_COUNT");
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    if (file != NULL) {
        fprintf(file, "%d\n", atomic_load(&calls));
        fclose(file);
    }
}

static int fails(void)
{
    if (atomic_fetch_add(&calls, 1) + 1 != at)
        return 0;
    if (with == 0)
        kill(getpid(), SIGKILL);
    errno = with;
    return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define WRAP(type, name, parameters, arguments)                                                    \
    type name parameters                                                                           \
    {                                                                                              \
        return fails() ? -1 : REAL(name) arguments;                                                \
    }

WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))
WRAP(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))
WRAP(int, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *size),
     (fd, level, name, value, size))
WRAP(int, stat, (const char *path, struct stat *found), (path, found))
WRAP(int, lstat, (const char *path, struct stat *found), (path, found))
WRAP(int, fstat, (int fd, struct stat *found), (fd, found))
WRAP(int, statfs, (const char *path, struct statfs *found), (path, found))
WRAP(int, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(int, unlink, (const char *path), (path))
WRAP(int, unlinkat, (int directory, const char *path, int flags), (directory, path, flags))
WRAP(int, rmdir, (const char *path), (path))
WRAP(int, rename, (const char *from, const char *to), (from, to))
WRAP(int, renameat2, (int from_at, const char *from, int to_at, const char *to, unsigned flags),
     (from_at, from, to_at, to, flags))
WRAP(int, flock, (int fd, int operation), (fd, operation))
WRAP(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))

int ioctl(int fd, unsigned long request, ...)
{
    va_list list;
    va_start(list, request);
    void *argument = va_arg(list, void *);
    va_end(list);
    return fails() ? -1 : REAL(ioctl)(fd, request, argument);
}

int open(const char *path, int flags, ...)
{
    va_list list;
    va_start(list, flags);
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
    va_end(list);
    return fails() ? -1 : REAL(open)(path, flags, mode);
}

// libbpf's way to bpf(2).
long syscall(long number, ...)
{
    va_list list;
    va_start(list, number);
    long argument[6];
    for (int i = 0; i < 6; i++)
        argument[i] = va_arg(list, long);
    va_end(list);
    if (number == SYS_bpf && fails())
        return -1;
    return REAL(syscall)(number, argument[0], argument[1], argument[2], argument[3], argument[4],
                         argument[5]);
}
