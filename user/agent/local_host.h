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
    // `only`: the VNIs to serve; empty: all. `known_as`: an address that others know this host by.
    static Result<LocalHost> open(Loop &loop, std::set<std::uint32_t> only,
                                  std::optional<Ip> known_as = {});

    std::vector<VtepInfo> vteps() override;
    [[nodiscard]] const std::vector<VtepInfo> &served() const
    {
        return vteps_;
    } // as vteps() had it
    // Whether the neighbour tables say the record's IP is at its MAC; a person's entry may not.
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
