// SPDX-License-Identifier: GPL-2.0-only
// Look-ups in etcd. A few requests are under way at a time; the keys that are looked up meanwhile
// go into one request.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "user/agent/directory.h"
#include "user/agent/etcd/client.h"
#include "user/agent/etcd/watch.h"

namespace xvtep::agent {

class EtcdLookup {
  public:
    using Answer = Directory::Answer;
    using Done = std::function<void(Answer)>;

    EtcdLookup(Loop &loop, EtcdClient &client, EtcdWatch &watch, const EtcdOptions &options);
    ~EtcdLookup();

    void ask(const Key &key, Done done);
    // The watch has reported a change, which is newer than an answer of before `revision`.
    void event(const Key &key, const Answer &answer, std::uint64_t revision);
    // Sends what waits, if the client is up and not too many requests are under way.
    void send();

  private:
    enum class Read {
        linearizable, // the server asks the cluster; sent first
        serializable, // the server answers from its own copy
    };
    struct Pending {
        std::vector<Done> done;
        std::uint64_t number = 0;  // tells this look-up from a later one of the same key
        std::uint64_t request = 0; // the request that has the key; 0: waits
        std::size_t most = 0;      // keys in its request
        Read read = Read::serializable;
        std::uint64_t reported = 0; // the watch's revision when it was sent
        std::uint64_t event_revision = 0;
        std::optional<Answer> event;
    };

    void schedule();
    void expire();
    enum class End { front, back };
    void queue(const Key &key, Pending &pending, End end);
    bool send(Read read);
    void answered(std::uint64_t request, const std::vector<Key> &keys, EtcdClient::Answer answer);
    void judge(const Key &key, Pending &pending, std::uint64_t revision, const Json &range);
    void finish(const Key &key, const Answer &answer);
    [[nodiscard]] Error failure(const Key &key, const std::string &cause) const;

    Loop &loop_;
    EtcdClient &client_;
    EtcdWatch &watch_;
    const EtcdOptions &options_;
    std::map<Key, Pending> pending_;
    std::map<Read, std::deque<Key>> queues_; // keys that wait
    std::deque<std::tuple<Loop::Clock::time_point, Key, std::uint64_t>> deadlines_;
    std::size_t requests_ = 0; // under way
    std::uint64_t next_ = 1;
    Loop::Timer sending_{}, expiring_{};
    bool scheduled_ = false, expires_ = false;
};

} // namespace xvtep::agent
