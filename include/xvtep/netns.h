// SPDX-License-Identifier: GPL-2.0-only
// Network namespaces, network_namespaces(7): the place where every other call of the library acts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <xvtep/result.h>

namespace xvtep {

// A network namespace, held open: it lives at least as long as this. A thread that enters one
// takes no other thread with it.
class Netns {
  public:
    // The calling thread's.
    static Result<Netns> current();

    // As `ip -n NAME`: /run/netns/NAME, or a path where `name` has a slash. ErrorKind::usage where
    // it can be no name; ENOENT: there is none; EINVAL: it is something else.
    static Result<Netns> open(const std::string &name);

    // As `ip netns add NAME`, with the loopback device up. EEXIST: the name is taken.
    static Result<Netns> create(const std::string &name);

    // As `ip netns del NAME`: takes the name away; the namespace goes with its last user. ENOENT.
    static Result<> remove(const std::string &name);

    static bool exists(const std::string &name); // open() would succeed

    // Every namespace this process can see: /run/netns, /proc/*/ns/net, nsfs mounts; each once.
    // *all: whether none had to be left out for a passing reason, as want of descriptors is.
    static std::vector<Netns> visible(bool *all = nullptr);

    // While it lives, the thread that made it is in the namespace; its end puts the thread back,
    // or aborts the process where that fails: what ran next would run in the wrong namespace.
    // Nested ones end in the reverse order. Not to be handed to another thread.
    class Scope {
      public:
        Scope(Scope &&) noexcept;
        Scope &operator=(Scope &&) = delete;
        ~Scope();

      private:
        friend class Netns;
        explicit Scope(int back) : back_(back) {}
        int back_;
    };

    // setns(2) with CLONE_NEWNET alone: mounts stay, /sys/class/net shows the old devices. Needs
    // CAP_SYS_ADMIN: EPERM.
    [[nodiscard]] Result<Scope> enter() const;

    [[nodiscard]] int fd() const { return fd_; } // for setns(2); stays this object's
    // As /run/netns has it, else "net:[INODE]" as lsns and /proc do.
    [[nodiscard]] std::string name() const;
    [[nodiscard]] std::uint64_t inode() const; // 0 where unknown; may come again after its end
    // SO_NETNS_COOKIE, socket(7): unique until reboot, never given again.
    [[nodiscard]] Result<std::uint64_t> cookie() const;

    Netns(Netns &&) noexcept;
    Netns &operator=(Netns &&) noexcept;
    ~Netns();

  private:
    explicit Netns(int fd) : fd_(fd) {}
    int fd_;
};

// The cookie of the calling thread's namespace.
Result<std::uint64_t> current_netns_cookie();

// Tells libxdp where the bpf file system is if `ip netns exec` has hidden /sys/fs/bpf: sets the
// environment variable LIBXDP_BPFFS, unless it is set already. A program that may be started that
// way calls this at the beginning of main(), because setenv(3) is not safe beside other threads; no
// other function of the library changes the environment. Without the variable, XDP programs are
// attached there without libxdp's dispatcher, and so not beside the programs of others.
void set_libxdp_bpffs();

} // namespace xvtep
