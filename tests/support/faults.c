// SPDX-License-Identifier: GPL-2.0-only
// xvtep_faults PROGRAM [ARGUMENT ...]: runs the program, and has one of its system calls fail, or
// kills it there. Every call counts, by whatever library it is made, from the program's entry point
// on (its loader's do not), in all threads, but for those that cannot fail (see counts()).
// Processes that it starts run undisturbed; a program that takes its place (execve) is taken on.
//   XVTEP_FAULT=N:ERRNO       the Nth call fails with this errno; 0: SIGKILL instead
//   XVTEP_FAULT_COUNT=FILE    written at the end: the number of calls, and below it one line for
//                             each with its number in the kernel's table
// Its exit status is the program's, or 128 and the signal that ended it.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __x86_64__
int main(void)
{
    fputs("xvtep_faults knows the registers of x86-64 alone\n", stderr);
    return 125;
}
#else

enum { most_calls = 1 << 20, most_threads = 64, restart_system_call = 513 };

static int at, with; // `at` is 0 if no call is to fail
static unsigned short made[most_calls];
static int calls;
static int started; // past the entry point
static uint64_t entry;
static long entry_text;
static pid_t doomed; // whose call returns an error at its exit
static int doomed_with;
// By PID: threads whose call the kernel has them make again, since it did not get a lock at once
// (restart_syscall(), which writes of sysctls do for the lock of network devices). It is one call.
static pid_t repeating[most_threads];

static void die(const char *what)
{
    perror(what);
    exit(125);
}

// What cannot fail, or whose failure changes nothing that a program could act on.
static int counts(uint64_t number)
{
    switch (number) {
    case SYS_arch_prctl:
    case SYS_brk: // malloc() then takes mmap()
    case SYS_clock_gettime:
    case SYS_clock_nanosleep:
    case SYS_close:
    case SYS_exit:
    case SYS_exit_group:
    case SYS_futex:
    case SYS_getcpu:
    case SYS_getegid:
    case SYS_geteuid:
    case SYS_getgid:
    case SYS_getpid:
    case SYS_getppid:
    case SYS_gettid:
    case SYS_getuid:
    case SYS_kill:
    case SYS_madvise:
    case SYS_munmap:
    case SYS_nanosleep:
    case SYS_restart_syscall:
    case SYS_rseq:
    case SYS_rt_sigaction:
    case SYS_rt_sigprocmask:
    case SYS_rt_sigreturn:
    case SYS_sched_yield:
    case SYS_set_robust_list:
    case SYS_tgkill:
        return 0;
    default:
        return 1;
    }
}

static uint64_t entry_of(pid_t pid)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
    FILE *file = fopen(path, "r");
    Elf64_auxv_t one;
    uint64_t found = 0;
    while (file != NULL && fread(&one, sizeof(one), 1, file) == 1)
        if (one.a_type == AT_ENTRY)
            found = one.a_un.a_val;
    if (file != NULL)
        fclose(file);
    return found;
}

// A breakpoint where the loader calls the program.
static void wait_for_entry(pid_t pid)
{
    entry = entry_of(pid);
    errno = 0;
    entry_text = ptrace(PTRACE_PEEKTEXT, pid, (void *)entry, NULL);
    if (entry == 0 || errno != 0 ||
        ptrace(PTRACE_POKETEXT, pid, (void *)entry, (void *)((entry_text & ~0xffL) | 0xcc)) != 0)
        die("breakpoint");
    started = 0;
}

static int is_at_entry(pid_t pid)
{
    struct user_regs_struct registers;
    if (started || ptrace(PTRACE_GETREGS, pid, NULL, &registers) != 0 || registers.rip != entry + 1)
        return 0;
    registers.rip = entry;
    if (ptrace(PTRACE_SETREGS, pid, NULL, &registers) != 0 ||
        ptrace(PTRACE_POKETEXT, pid, (void *)entry, (void *)entry_text) != 0)
        die("breakpoint");
    started = 1;
    return 1;
}

static void at_call(pid_t pid)
{
    struct __ptrace_syscall_info info;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof(info), &info) < 0)
        return; // it has just been killed
    if (info.op == PTRACE_SYSCALL_INFO_EXIT && pid == doomed) {
        const long error = -doomed_with;
        ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, rax), error);
        doomed = 0;
    }
    pid_t *const again = &repeating[pid % most_threads];
    if (info.op == PTRACE_SYSCALL_INFO_EXIT && info.exit.rval == -restart_system_call)
        *again = pid;
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !started || !counts(info.entry.nr))
        return;
    if (*again == pid) {
        *again = 0;
        return;
    }
    if (calls < most_calls)
        made[calls] = (unsigned short)info.entry.nr;
    if (++calls != at)
        return;
    if (with == 0) {
        kill(pid, SIGKILL);
        return;
    }
    doomed = pid;
    // In two runs, a call may have another number. "You may not" is a lasting answer to some calls.
    doomed_with = with == EPERM && info.entry.nr != SYS_bpf ? EIO : with;
    ptrace(PTRACE_POKEUSER, pid, offsetof(struct user_regs_struct, orig_rax), -1L);
}

static void write_count(void)
{
    const char *path = getenv("XVTEP_FAULT_COUNT");
    FILE *file = path != NULL ? fopen(path, "w") : NULL;
    if (file == NULL)
        return;
    fprintf(file, "%d\n", calls);
    for (int i = 0; i < calls && i < most_calls; i++)
        fprintf(file, "%d\n", made[i]);
    fclose(file);
}

// What the thread goes on with: a signal of its own, or 0.
static int stopped(pid_t pid, int status)
{
    const int signal = WSTOPSIG(status);
    if (signal == (SIGTRAP | 0x80)) {
        at_call(pid);
        return 0;
    }
    if (status >> 16 == PTRACE_EVENT_EXEC)
        wait_for_entry(pid);
    if (status >> 16 != 0) // also a new thread's first stop
        return 0;
    if (signal == SIGTRAP && is_at_entry(pid))
        return 0;
    return signal;
}

int main(int argc, char **argv)
{
    const char *fault = getenv("XVTEP_FAULT");
    if (argc < 2 || (fault != NULL && sscanf(fault, "%d:%d", &at, &with) != 2))
        return 125;
    const pid_t child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        execvp(argv[1], argv + 1);
        die(argv[1]);
    }
    int status = 0;
    // SEIZE: a program that is stopped and continued is not taken for one that makes a call.
    if (child < 0 || waitpid(child, &status, WUNTRACED) != child ||
        ptrace(PTRACE_SEIZE, child, NULL,
               PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXEC) != 0)
        die("trace");
    signal(SIGINT, SIG_IGN); // they are the program's, which gets them, too
    signal(SIGTERM, SIG_IGN);
    kill(child, SIGCONT);
    for (;;) {
        const pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0)
            die("wait");
        if (pid == child && (WIFEXITED(status) || WIFSIGNALED(status)))
            break;
        if (!WIFSTOPPED(status))
            continue;
        const long signal = stopped(pid, status);
        const int over = at != 0 && calls >= at && doomed == 0;
        ptrace(over ? PTRACE_CONT : PTRACE_SYSCALL, pid, NULL, (void *)signal);
    }
    write_count();
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#endif
