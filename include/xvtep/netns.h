// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <xvtep/result.h>

namespace xvtep {

// A network namespace, held open. Only the calling thread moves.
class Netns {
  public:
    static Result<Netns> current();
    static Result<Netns> open(const std::string &name);   // as `ip -n NAME`: /run/netns/NAME, or a path with a slash
    static Result<Netns> create(const std::string &name); // as `ip netns add`, loopback up
    static Result<> remove(const std::string &name);      // as `ip netns del`
    static bool exists(const std::string &name);
    // Every namespace this process can see: /run/netns, /proc/*/ns/net, nsfs mounts; each once.
    static std::vector<Netns> visible();

    // While it lives, the calling thread is in the namespace; its end puts the thread back.
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
    [[nodiscard]] Result<Scope> enter() const; // CLONE_NEWNET only, no mount namespace games

    Netns(Netns &&) noexcept;
    Netns &operator=(Netns &&) noexcept;
    ~Netns();

    [[nodiscard]] int fd() const { return fd_; }
    [[nodiscard]] std::uint64_t inode() const;
    [[nodiscard]] Result<std::uint64_t> cookie() const; // SO_NETNS_COOKIE: unique until reboot, never reused

  private:
    explicit Netns(int fd) : fd_(fd) {}
    int fd_;
};

// The cookie of the calling thread's namespace.
Result<std::uint64_t> current_netns_cookie();

} // namespace xvtep
