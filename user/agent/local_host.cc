// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/local_host.h"

#include <algorithm>

#include "xvtep/batch.h"

namespace xvtep::agent {
namespace {

// What a person wrote to stay, stays.
Result<> write_entry(const FdbEntry &entry)
{
    const auto added = write_fdb(FdbVerb::add, entry);
    if (added || added.error().code != EEXIST)
        return added;
    if (const auto there = get_fdb(entry.mac, entry.device);
        there && there->front().state != FdbState::dynamic)
        return {};
    return write_fdb(FdbVerb::replace, entry);
}

Result<> write_neighbour(const NeighEntry &entry)
{
    const auto added = write_neigh(NeighVerb::add, entry);
    if (added || added.error().code != EEXIST)
        return added;
    if (const auto there = get_neigh(entry.ip, entry.device);
        there && there->state == NeighState::permanent)
        return {};
    return write_neigh(NeighVerb::replace, entry);
}

Result<> write_record(const std::string &device, const Record &record)
{
    FdbEntry entry;
    entry.mac = record.mac;
    entry.device = device;
    entry.dst = record.vtep;
    entry.port = record.port;
    entry.state = FdbState::dynamic;
    TRY(write_entry(entry));
    if (!record.ip)
        return {};
    NeighEntry neighbour;
    neighbour.ip = *record.ip;
    neighbour.device = device;
    neighbour.mac = record.mac;
    neighbour.state = NeighState::reachable;
    return write_neighbour(neighbour);
}

Result<> remove_key(const std::string &device, const Key &key)
{
    Result<> done;
    if (const auto *mac = std::get_if<Mac>(&key.what)) {
        if (const auto there = get_fdb(*mac, device);
            there && there->front().state == FdbState::dynamic && !there->front().learned)
            done = delete_fdb(*mac, device, std::nullopt);
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

} // namespace

Result<LocalHost> LocalHost::open(std::set<std::uint32_t> only, std::optional<Ip> known_as)
{
    TRY_ASSIGN(auto netlink, Netlink::open());
    return LocalHost(std::move(netlink), std::move(only), known_as);
}

std::vector<VtepInfo> LocalHost::vteps()
{
    auto now = show(std::nullopt);
    if (!now) // as it was: what is held for them would be forgotten
        return vteps_;
    vteps_ = std::move(*now);
    std::erase_if(vteps_, [&](const VtepInfo &vtep) {
        return !only_.empty() && !only_.contains(vtep.vni);
    });
    own_.clear();
    if (known_as_)
        own_.insert(*known_as_);
    for (const auto &link : netlink_.links().value_or(std::vector<Link>{}))
        for (const auto &address : netlink_.addresses(link.index).value_or(std::vector<Prefix>{}))
            own_.insert(address.address);
    return vteps_;
}

std::vector<Result<>> LocalHost::write(std::span<const Change> changes)
{
    const Batch batch;
    std::vector<Result<>> results;
    results.reserve(changes.size());
    for (const auto &change : changes) {
        Result<> result;
        for (const auto &vtep : vteps_) {
            if (vtep.vni != change.key.vni)
                continue;
            if (auto done = change.record ? write_record(vtep.name, *change.record)
                                          : remove_key(vtep.name, change.key);
                !done)
                result = std::move(done);
        }
        results.push_back(std::move(result));
    }
    return results;
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
