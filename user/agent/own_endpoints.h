// SPDX-License-Identifier: GPL-2.0-only
// The endpoints of this host, which the directory's records are compared with.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "user/agent/host.h"
#include "user/agent/record.h"

namespace xvtep::agent {

class OwnEndpoints {
  public:
    // Returns whether the set differs from the one before. The first set always does.
    bool set(const std::set<Record> &own);
    // Nothing until set() has been called.
    [[nodiscard]] const std::optional<std::set<Record>> &all() const { return own_; }

    [[nodiscard]] bool contains(std::uint32_t vni, const Mac &mac) const;
    // Whether the record for `key` says that one of these endpoints is at another host. It does not
    // if it is this host's own announcement that comes back.
    [[nodiscard]] bool is_claimed(const Key &key, const Record &record, Host &host) const;

  private:
    std::optional<std::set<Record>> own_;
};

} // namespace xvtep::agent
