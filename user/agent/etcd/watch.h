// SPDX-License-Identifier: GPL-2.0-only
// Watches the keys of VNIs for changes, with one stream that is resumed where it broke off. The
// memory it needs grows with the number of VNIs, not of keys.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "user/agent/etcd/client.h"

namespace xvtep::agent {

class EtcdWatch {
  public:
    struct Listener {
        virtual ~Listener() = default;
        // `kv` was put, or deleted, in revision `revision`.
        virtual void event(const std::string &key, const Json &kv, bool deleted,
                           std::uint64_t revision) = 0;
        virtual void watch_resynced() = 0;
    };

    EtcdWatch(Loop &loop, EtcdClient &client, const EtcdOptions &options, Listener &listener);
    ~EtcdWatch();

    void set(const std::set<std::uint32_t> &vnis);
    void up(const EtcdHeader &now);
    void down();
    // Watches from `now` on, after changes were missed. Does not call the listener.
    void restart(const EtcdHeader &now);

    [[nodiscard]] bool live() const { return live_; }
    [[nodiscard]] bool watches(std::uint32_t vni) const { return vnis_.contains(vni); }
    // The last revision up to which the changes of `vni` have been reported; 0: not watched.
    [[nodiscard]] std::uint64_t reported(std::uint32_t vni) const;
    // The revision from which on changes are reported. An older answer may never be corrected.
    [[nodiscard]] std::uint64_t base(std::uint32_t vni) const;
    // A look-up was answered with data of this revision, so changes from there on must be reported.
    void answered(std::uint32_t vni, std::uint64_t revision);

  private:
    struct Vni {
        std::uint64_t base = 0, next = 0; // revisions; 0: not known yet
    };

    void schedule();
    void start();
    void stop();
    void got(std::string_view bytes);
    void line(std::string_view text);
    void resync();

    Loop &loop_;
    EtcdClient &client_;
    const EtcdOptions &options_;
    Listener &listener_;
    std::map<std::uint32_t, Vni> vnis_;
    // The revision of the oldest answer for each VNI that is not watched yet.
    std::map<std::uint32_t, std::uint64_t> oldest_;
    std::vector<std::uint32_t> asked_; // the stream's VNIs, in the order of its requests
    std::map<std::uint64_t, std::uint32_t> created_; // watch_id → VNI
    std::string buffer_;
    std::uint64_t stream_ = 0; // number of the stream, to notice that a callback has replaced it
    Loop::Timer starting_{}, patience_{};
    bool scheduled_ = false, live_ = false, resyncing_ = false;
};

} // namespace xvtep::agent
