// SPDX-License-Identifier: GPL-2.0-only
// A directory knows behind which VTEP each endpoint is: it answers look-ups, reports changes, and
// takes the announcements of this host's own endpoints. There is one thread with one event loop: no
// call blocks, and callbacks come from the loop, never from within the call that asked.
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
    // A record, or nothing if the directory knows no such endpoint. An error means that neither is
    // certain: the directory cannot be reached, is too slow, or (EBADMSG) its record is not valid.
    using Answer = Result<std::optional<Record>>;

    struct Client {
        virtual ~Client() = default;
        // The key, of one of the watched VNIs, has another record now, or none. The key need not
        // have been looked up.
        virtual void changed(const Key &key, const std::optional<Record> &record) = 0;
        // Changes may have been missed: every cached key has to be looked up again.
        virtual void resync() = 0;
    };

    virtual ~Directory() = default;

    virtual void look_up(const Key &key, std::function<void(Answer)> done) = 0;
    // Announces the endpoints of this host, which replace the set announced before. The directory
    // keeps them there through failures of its own. An endpoint that another host has announced
    // since is left to that host.
    virtual void announce(const std::set<Record> &own) = 0;
    // Whether the directory takes announcements.
    [[nodiscard]] virtual bool announces() const { return true; }
    // Reports changes of these VNIs, which replace the set watched before.
    virtual void watch(const std::set<std::uint32_t> &vnis) = 0;
    // Whether changes are reported at present. If not, keys in use are looked up again before their
    // entries expire.
    [[nodiscard]] virtual bool watches() const = 0;
    // A name for the log, such as "etcd http://10.0.0.1:2379".
    [[nodiscard]] virtual std::string name() const = 0;
};

} // namespace xvtep::agent
