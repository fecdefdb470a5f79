// SPDX-License-Identifier: GPL-2.0-only
// What the agent wants of a directory: answers to misses, news of changes, and a place to announce
// this host's own endpoints. One thread, one loop: no call blocks, and callbacks come out of the
// loop, never out of the call that asked.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "user/agent/loop.h"
#include "user/agent/record.h"
#include "user/base/result.h"

namespace xvtep::agent {

class Directory {
  public:
    // A record, or none: the directory knows of no such endpoint. An error says that nobody knows:
    // unreachable, too slow, nonsense; the agent asks again later.
    using Answer = Result<std::optional<Record>>;

    struct Client {
        virtual ~Client() = default;
        // Of any key of the VNIs served, asked for or not: there is another record now, or none.
        virtual void changed(const Key &key, const std::optional<Record> &record) = 0;
        // Changes may have been missed: everything that is held has to be asked for again.
        virtual void resync() = 0;
    };

    virtual ~Directory() = default;

    virtual void look_up(const Key &key, std::function<void(Answer)> done) = 0;
    // The endpoints of this host, all of them, whenever they changed; kept there, whatever comes,
    // until the set says otherwise. One that another host has announced since is left to it.
    virtual void announce(const std::set<Record> &own) = 0;
    [[nodiscard]] virtual bool announces() const { return true; } // or takes no announcements
    // VNIs whose changes are wanted, whenever they changed.
    virtual void watch(const std::set<std::uint32_t> &vnis) = 0;
    // Whether changed() will come. If not, answers are asked for again before they expire.
    [[nodiscard]] virtual bool watches() const = 0;
    // For people: "etcd http://10.0.0.1:2379".
    [[nodiscard]] virtual std::string name() const = 0;
};

} // namespace xvtep::agent
