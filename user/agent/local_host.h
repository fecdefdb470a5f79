// SPDX-License-Identifier: GPL-2.0-only
// The VTEPs of the calling thread's network namespace, through the public library.
#pragma once

#include <set>

#include "user/agent/host.h"
#include "user/agent/loop.h"
#include "user/net/netlink.h"

namespace xvtep::agent {

class LocalHost : public Host {
  public:
    // `only`: the VNIs to serve; empty for all. `known_as`: a further address of this host, by
    // which other hosts know it.
    static Result<LocalHost> open(Loop &loop, std::set<std::uint32_t> only,
                                  std::optional<Ip> known_as = {});

    std::vector<VtepInfo> vteps() override;
    // The result of the last vteps().
    [[nodiscard]] const std::vector<VtepInfo> &served() const { return vteps_; }
    // Whether no neighbour table has another MAC for the record's IP. A static entry may.
    [[nodiscard]] bool agrees(const Record &record) const;
    bool is_own(const Ip &address) override { return own_.contains(address); }
    std::vector<Result<>> write(std::span<const Change> changes) override;
    void read(std::function<void(Result<std::map<std::string, TableCopy>>)> done) override;
    Result<std::vector<FdbEntry>> fdb(const std::string &device) override;
    Result<std::vector<NeighEntry>> neighbours(const std::string &device) override;

  private:
    LocalHost(Loop &loop, Netlink netlink, std::set<std::uint32_t> only, std::optional<Ip> known_as)
        : loop_(&loop), netlink_(std::move(netlink)), only_(std::move(only)), known_as_(known_as)
    {
    }

    Loop *loop_;
    Netlink netlink_;
    std::set<std::uint32_t> only_;
    std::optional<Ip> known_as_;
    std::vector<VtepInfo> vteps_;
    std::set<Ip> own_; // every address of the namespace, and known_as_
};

} // namespace xvtep::agent
