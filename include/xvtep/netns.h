// SPDX-License-Identifier: GPL-2.0-only
// Network namespaces, network_namespaces(7). Every other call of the library acts in the namespace
// of the calling thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <xvtep/result.h>

namespace xvtep {

// A network namespace. The object holds it open, so the namespace lives at least as long.
class Netns {
  public:
    // Returns the calling thread's namespace.
    static Result<Netns> current();

    // Opens /run/netns/NAME, as `ip -n NAME` does, or a path if `name` contains a slash.
    //
    // Errors: ErrorKind::usage: it cannot be a name. ENOENT: there is none. EINVAL: the file is not
    // a network namespace.
    static Result<Netns> open(const std::string &name);

    // Makes a namespace as `ip netns add NAME` does, and brings its loopback device up.
    //
    // Errors: EEXIST: the name is taken.
    static Result<Netns> create(const std::string &name);

    // Removes the name, as `ip netns del NAME` does. The namespace ends with its last user.
    //
    // Errors: ENOENT: there is no such name.
    static Result<> remove(const std::string &name);

    static bool exists(const std::string &name); // open() would succeed

    // Returns every namespace this process can see, each once: /run/netns, /proc/*/ns/net, nsfs
    // mounts. Sets *all to false if one had to be left out for a passing reason, such as a lack of
    // descriptors.
    static std::vector<Netns> visible(bool *all = nullptr);

    // Keeps the thread that made it in a namespace. The destructor puts the thread back; if that
    // fails it aborts the process, because the thread would go on in the wrong namespace. Nested
    // scopes end in reverse order. A scope must not be handed to another thread.
    class Scope {
      public:
        Scope(Scope &&) noexcept;
        Scope &operator=(Scope &&) = delete;
        ~Scope();
        // Does not go back: for a thread that gives up CAP_SYS_ADMIN, without which the end of the
        // scope would end the process.
        void stay();

      private:
        friend class Netns;
        explicit Scope(int back) : back_(back) {}
        int back_;
    };

    // Enters the namespace. Entering affects only the calling thread. It is setns(2) with
    // CLONE_NEWNET alone: mounts stay, so /sys/class/net shows the devices of the old namespace.
    //
    // Errors: EPERM: CAP_SYS_ADMIN is missing.
    [[nodiscard]] Result<Scope> enter() const;

    [[nodiscard]] int fd() const { return fd_; } // for setns(2); owned by this object
    // Returns the name in /run/netns, or "net:[INODE]" as lsns(8) prints it.
    [[nodiscard]] std::string name() const;
    // Returns 0 if it cannot be read. The kernel may reuse the number of a namespace that has
    // ended.
    [[nodiscard]] std::uint64_t inode() const;
    // Returns SO_NETNS_COOKIE, socket(7), which the kernel never gives to another namespace until
    // the machine is booted again.
    [[nodiscard]] Result<std::uint64_t> cookie() const;

    Netns(Netns &&) noexcept;
    Netns &operator=(Netns &&) noexcept;
    ~Netns();

  private:
    explicit Netns(int fd) : fd_(fd) {}
    int fd_;
};

// Returns the cookie of the calling thread's namespace.
Result<std::uint64_t> current_netns_cookie();

// Tells libxdp where the bpf file system is if `ip netns exec` has hidden /sys/fs/bpf: sets the
// environment variable LIBXDP_BPFFS, unless it is set already. A program that may be started that
// way calls this at the beginning of main(), because setenv(3) is not safe beside other threads; no
// other function of the library changes the environment. Without the variable, XDP programs are
// attached there without libxdp's dispatcher, and so not beside the programs of others.
void set_libxdp_bpffs();

} // namespace xvtep
