// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/local_host.h"

#include <net/if.h>

#include <algorithm>
#include <future>
#include <memory>

#include "user/agent/privileges.h"
#include "xvtep/batch.h"

namespace xvtep::agent {
namespace {

// What a person wrote to stay, stays: FdbVerb::refresh, NeighVerb::refresh.
Result<> write_record(const std::string &device, const Record &record)
{
    FdbEntry entry;
    entry.mac = record.mac;
    entry.device = device;
    entry.dst = record.vtep;
    entry.port = record.port;
    entry.state = FdbState::dynamic;
    TRY(write_fdb(FdbVerb::refresh, entry));
    if (!record.ip)
        return {};
    NeighEntry neighbour;
    neighbour.ip = *record.ip;
    neighbour.device = device;
    neighbour.mac = record.mac;
    neighbour.state = NeighState::reachable;
    return write_neigh(NeighVerb::refresh, neighbour);
}

Result<> remove_key(const std::string &device, const Key &key)
{
    Result<> done;
    if (const auto *mac = std::get_if<Mac>(&key.what)) {
        if (const auto there = get_fdb(*mac, device);
            there && there->front().state == FdbState::dynamic && !there->front().learned)
            done = delete_fdb(*mac, device);
    } else {
        const Ip &ip = std::get<Ip>(key.what);
        if (const auto there = get_neigh(ip, device);
            there && there->state == NeighState::reachable)
            done = delete_neigh(ip, device);
    }
    if (!done && done.error().code == ENOENT)
        return {};
    return done;
}

using Copies = Result<std::map<std::string, TableCopy>>;

// Runs in a thread of its own, which starts in the network namespace of its creator.
Copies read_tables()
{
    TRY_ASSIGN(const auto before, list_vteps(std::nullopt));
    TRY_ASSIGN(auto fdb, show_fdb(std::nullopt));
    TRY_ASSIGN(const auto neighbours, show_neigh(std::nullopt));
    std::map<std::string, TableCopy> copies;
    for (auto &entry : fdb) {
        auto &table = copies[entry.device].fdb;
        table.emplace_hint(table.end(), entry.mac, std::move(entry));
    }
    for (const auto &entry : neighbours)
        copies[entry.device].neighbours.emplace(entry.ip, entry.updated);
    // Only devices that kept their names during the read; those with empty tables as well.
    TRY_ASSIGN(const auto after, list_vteps(std::nullopt));
    std::map<std::string, TableCopy> whole;
    for (const auto &vtep : before)
        if (std::ranges::any_of(after, [&](const VtepInfo &now) {
                return now.name == vtep.name && now.ifindex == vtep.ifindex;
            }))
            whole[vtep.name] = std::move(copies[vtep.name]);
    return whole;
}

void wait_for(Loop &loop, std::shared_ptr<std::future<Copies>> reading,
              std::function<void(Copies)> done)
{
    using namespace std::chrono_literals;
    loop.after(5ms, [&loop, reading = std::move(reading), done = std::move(done)] {
        if (reading->wait_for(0s) != std::future_status::ready)
            return wait_for(loop, reading, done);
        done(reading->get());
    });
}

} // namespace

Result<LocalHost> LocalHost::open(Loop &loop, std::set<std::uint32_t> only,
                                  std::optional<Ip> known_as)
{
    TRY_ASSIGN(auto netlink, Netlink::open());
    return LocalHost(loop, std::move(netlink), std::move(only), known_as);
}

std::vector<VtepInfo> LocalHost::vteps()
{
    auto now = with_privileges_if_needed([] { return list_vteps(std::nullopt); });
    if (!now) // an empty list would have the cache forget all entries
        return vteps_;
    std::set<Ip> own;
    if (known_as_)
        own.insert(*known_as_);
    const auto addresses = netlink_.addresses();
    if (!addresses)
        return vteps_;
    for (const auto &[index, address] : *addresses)
        own.insert(address.address);
    own_ = std::move(own);
    vteps_ = std::move(*now);
    std::erase_if(vteps_, [&](const VtepInfo &vtep) {
        // The agent does not serve devices with many VNIs, which have no VNI of their own.
        return !vtep.here || vtep.vni == 0 || (!only_.empty() && !only_.contains(vtep.vni));
    });
    return vteps_;
}

bool LocalHost::agrees(const Record &record) const
{
    return std::ranges::none_of(vteps_, [&](const VtepInfo &vtep) {
        if (vtep.vni != record.vni || !record.ip)
            return false;
        const auto there = get_neigh(*record.ip, vtep.name);
        return there && there->mac != record.mac;
    });
}

std::vector<Result<>> LocalHost::write(std::span<const Change> changes)
{
    // Another VTEP may have the device's name by now.
    std::erase_if(vteps_, [](const VtepInfo &vtep) {
        return ::if_nametoindex(vtep.name.c_str()) != static_cast<unsigned>(vtep.ifindex);
    });
    const Batch batch;
    std::vector<Result<>> results;
    results.reserve(changes.size());
    for (const auto &change : changes) {
        Result<> result;
        for (const auto &vtep : vteps_) {
            if (vtep.vni != change.key.vni || (change.record && !fits(vtep, *change.record)))
                continue;
            if (auto done = with_privileges_if_needed([&] {
                    return change.record ? write_record(vtep.name, *change.record)
                                         : remove_key(vtep.name, change.key);
                });
                !done)
                result = std::move(done);
        }
        results.push_back(std::move(result));
    }
    return results;
}

void LocalHost::read(std::function<void(Copies)> done)
{
    wait_for(*loop_,
             std::make_shared<std::future<Copies>>(std::async(
                 std::launch::async, [] { return with_privileges_if_needed(read_tables); })),
             std::move(done));
}

Result<std::vector<FdbEntry>> LocalHost::fdb(const std::string &device)
{
    return show_fdb(device);
}

Result<std::vector<NeighEntry>> LocalHost::neighbours(const std::string &device)
{
    return show_neigh(device);
}

} // namespace xvtep::agent
