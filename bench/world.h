// SPDX-License-Identifier: GPL-2.0-only
// The namespaces of a run: unique names, gone with it.
#pragma once

#include <string>
#include <vector>

#include "user/base/result.h"
#include "xvtep/mac.h"

namespace xvtep::bench {

// Namespaces and files of runs that were killed.
void remove_leftovers();

// "/tmp/xvtep-bench-…XXXXXX" with this process in its name, for mkstemp() or mkdtemp().
std::string scratch_pattern();

class World {
  public:
    // `xvtep`: the program, which removes what dead namespaces leave pinned.
    explicit World(std::string xvtep) : xvtep_(std::move(xvtep)) {}
    World(const World &) = delete;
    World &operator=(const World &) = delete;
    ~World();

    // A new namespace, without IPv6: nothing speaks there but what is measured. Its full name.
    Result<std::string> host(const std::string &name);
    void remove(const std::string &host);

    // A wire: `a_dev` in `a` to `b_dev` in `b`, up.
    static Result<> wire(const std::string &a, const std::string &a_dev, const std::string &b,
                         const std::string &b_dev, unsigned mtu = 1500);

    [[nodiscard]] const std::string &xvtep() const { return xvtep_; }

  private:
    std::string xvtep_;
    std::vector<std::string> hosts_;
    unsigned made_ = 0;
};

Result<Mac> mac_of(const std::string &netns, const std::string &device);
Result<> set_gro(const std::string &netns, const std::string &device); // on
Result<int> index_of(const std::string &netns, const std::string &device);

} // namespace xvtep::bench
