// SPDX-License-Identifier: GPL-2.0-only
// Keeps the keys of this host's endpoints in etcd, under one lease.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "user/agent/etcd/client.h"
#include "user/agent/record.h"

namespace xvtep::agent {

class EtcdAnnouncer {
  public:
    EtcdAnnouncer(Loop &loop, EtcdClient &client, const EtcdOptions &options);
    ~EtcdAnnouncer();

    void announce(const std::set<Record> &own);
    void up();
    void down();
    void lost(); // etcd has lost its data, or went back to older data
    void event(const std::string &key, const Json &kv, bool deleted, std::uint64_t revision);

    [[nodiscard]] bool settled() const { return dirty_.empty() && !busy_; }
    [[nodiscard]] std::size_t left_to_others() const;

  private:
    enum class State {
        fresh,    // to be put, over any value
        again,    // to be put, unless another host's value is there
        ours,     // our value is there
        left,     // another host's value is there
        withdrawn // to be deleted, if our value is there
    };
    struct Own {
        std::string value;
        State state = State::fresh;
        bool sent = false;          // our value may be in etcd
        std::uint64_t change = 0;   // number of the last mark(); earlier requests do not settle it
        std::uint64_t revision = 0; // of our put
        std::uint64_t foreign = 0, deleted = 0; // the last revisions of other hosts' changes
    };

    void work(); // sends the next request, if none is under way
    void grant();
    void write();
    void written(const std::vector<std::pair<std::string, std::uint64_t>> &keys,
                 EtcdClient::Answer answer);
    [[nodiscard]] std::string operation(const std::string &key, const Own &own) const;
    void settle(const std::string &key, Own &own, std::uint64_t revision, const Json &op);
    void mark(const std::string &key, Own &own, State state);
    void put_again(); // all keys in State::ours, under a new lease
    void keep_alive();
    void keep_alive_in(std::chrono::milliseconds delay);
    void failed(const EtcdProblem &problem);
    void work_in(std::chrono::milliseconds delay);

    Loop &loop_;
    EtcdClient &client_;
    const EtcdOptions &options_;
    std::map<std::string, Own> own_;
    std::set<std::string> dirty_;
    std::uint64_t lease_ = 0, ttl_ = 0;
    std::uint64_t changes_ = 0;
    bool busy_ = false, keeping_ = false, scheduled_ = false, told_ = false;
    std::chrono::milliseconds pause_{};
    Loop::Timer work_timer_{}, keep_timer_{};
};

} // namespace xvtep::agent
