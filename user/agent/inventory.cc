// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/inventory.h"

#include <algorithm>
#include <utility>

#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

// How long the first records wait for uncertain endpoints: for a directory that is slow, and, with
// nothing to announce but a withdrawal, also for ports that come late.
constexpr auto wait_for_some = 3s, wait_for_any = 30s;

void add_own_addresses(Places &places, const SystemView &view, std::uint32_t vni,
                       const SystemView::Device &device)
{
    for (const auto &address : view.addresses)
        if (address.device == device.index)
            places.own_addresses.insert({vni, device.mac, address.ip, Ip{}, 0});
}

void add_bridge_port(Places &places, const SystemView &view, std::uint32_t vni,
                     const SystemView::Device &port)
{
    const Place place{port.name, 0};
    places.vnis.emplace(place, vni);
    places.devices.emplace(port.index, port.name);
    for (const auto &entry : view.bridge_entries)
        if (entry.port == port.index && !entry.mac.is_multicast())
            places.bridged.emplace(EndpointId{vni, entry.mac}, place);
}

void add_bridge(Places &places, const SystemView &view, std::uint32_t vni,
                const SystemView::Device &vtep)
{
    // The ports of a bridge with several VTEPs cannot be assigned to one of them.
    const auto vteps = std::ranges::count_if(view.devices, [&](const SystemView::Device &device) {
        return device.is_vxlan && device.master == vtep.master;
    });
    if (vtep.master == 0 || vteps != 1)
        return;
    places.bridges[vni] = vtep.master;
    for (const auto &device : view.devices) {
        if (device.index == vtep.master)
            add_own_addresses(places, view, vni, device);
        if (device.master == vtep.master && device.index != vtep.index && device.is_up)
            add_bridge_port(places, view, vni, device);
    }
}

void add_port(Places &places, const SystemView &view, const SystemView::Port &port)
{
    const auto device = std::ranges::find(view.devices, port.device, &SystemView::Device::name);
    if (!places.vteps.contains(port.vni) || device == view.devices.end() || !device->is_up)
        return;
    const Place place{port.device, port.vlan};
    places.vnis.insert_or_assign(place, port.vni);
    places.devices.emplace(device->index, device->name);
    for (const auto &mac : port.learned)
        places.learned.emplace(EndpointId{port.vni, mac}, place);
}

} // namespace

Places find_places(const SystemView &view)
{
    Places places;
    for (const auto &vtep : view.vteps)
        places.vteps.emplace(vtep.vni, vtep);
    for (const auto &vtep : view.vteps) {
        const auto device =
            std::ranges::find(view.devices, vtep.ifindex, &SystemView::Device::index);
        if (device == view.devices.end())
            continue;
        add_own_addresses(places, view, vtep.vni, *device);
        add_bridge(places, view, vtep.vni, *device);
    }
    for (const auto &port : view.ports)
        add_port(places, view, port);
    return places;
}

void Inventory::update(const SystemView &view)
{
    auto bridged_before = std::move(places_.bridged);
    places_ = find_places(view);
    recall();
    std::erase_if(endpoints_, [&](const auto &endpoint) {
        return vni_at(endpoint.second.place) != endpoint.first.vni;
    });
    see_bridged(std::move(bridged_before));
    for (const auto &[id, place] : places_.learned)
        if (!yielded_.contains(id) && !endpoints_.contains(id))
            see(id, place);
    addresses_of_.clear();
    for (const auto &[id, endpoint] : endpoints_)
        addresses_of_[endpoint.place.device] += 1 + endpoint.ips.size();
}

// A bridge keeps old entries for minutes, so only an entry that is new since `before` says that the
// MAC is at its port now.
void Inventory::see_bridged(std::map<EndpointId, Place> before)
{
    const auto &bridged = places_.bridged;
    std::erase_if(yielded_, [&](const auto &yielded) {
        const auto now = bridged.find(yielded.first);
        return now == bridged.end() || now->second != yielded.second;
    });
    for (const auto &[id, place] : bridged) {
        const auto old = before.find(id);
        const bool is_new = old == before.end() || old->second != place;
        if (!yielded_.contains(id) && (is_new || !endpoints_.contains(id)))
            see(id, place);
    }
}

void Inventory::recall()
{
    std::erase_if(remembered_, [&](const SavedEndpoint &saved) {
        const Place place{saved.device, saved.vlan};
        const EndpointId id{saved.vni, saved.mac};
        const auto vni = vni_at(place);
        if (!vni)
            return false;
        if (*vni == id.vni && !endpoints_.contains(id))
            if (auto *endpoint = see(id, place))
                endpoint->ips = saved.ips;
        return true;
    });
}

// Nothing if there are too many endpoints behind the device.
Inventory::Endpoint *Inventory::see(const EndpointId &id, const Place &place)
{
    auto found = endpoints_.find(id);
    if (found == endpoints_.end()) {
        if (!has_room(place.device))
            return nullptr;
        found = endpoints_.emplace(id, Endpoint{}).first;
    }
    found->second.place = place;
    return &found->second;
}

bool Inventory::has_room(const std::string &device)
{
    auto &count = addresses_of_[device];
    if (count < options_.most_per_port) {
        count++;
        return true;
    }
    if (full_.insert(device).second)
        log_warning("{}: {} addresses already, more are not announced", device, count);
    return false;
}

bool Inventory::add_heard(const Place &place, const Mac &mac, const Ip &ip)
{
    const auto vni = vni_at(place);
    if (!vni)
        return false;
    const EndpointId id{*vni, mac};
    yielded_.erase(id);
    auto *endpoint = see(id, place);
    if (endpoint == nullptr)
        return false;
    bool changed = !std::exchange(endpoint->is_certain, true);
    if (endpoint->ips.contains(ip) || !has_room(place.device))
        return changed;
    // The last host that says so has the IP.
    for (auto &[other, at] : endpoints_)
        if (other.vni == id.vni)
            at.ips.erase(ip);
    endpoint->ips.insert(ip);
    return true;
}

bool Inventory::give_up(const EndpointId &id)
{
    const auto found = endpoints_.find(id);
    if (found == endpoints_.end())
        return false;
    yielded_[id] = found->second.place;
    endpoints_.erase(found);
    return true;
}

bool Inventory::give_up_ip(std::uint32_t vni, const Ip &ip)
{
    bool was_ours = false;
    for (auto &[id, endpoint] : endpoints_)
        was_ours |= id.vni == vni && endpoint.ips.erase(ip) != 0;
    return was_ours;
}

std::vector<EndpointId> Inventory::uncertain() const
{
    std::vector<EndpointId> ids;
    for (const auto &[id, endpoint] : endpoints_)
        if (!endpoint.is_certain)
            ids.push_back(id);
    return ids;
}

void Inventory::confirm(const EndpointId &id)
{
    if (const auto found = endpoints_.find(id); found != endpoints_.end())
        found->second.is_certain = true;
}

void Inventory::drop_uncertain_ip(const EndpointId &id, const Ip &ip)
{
    const auto found = endpoints_.find(id);
    if (found != endpoints_.end() && !found->second.is_certain)
        found->second.ips.erase(ip);
}

bool Inventory::is_incomplete() const
{
    return !remembered_.empty() || std::ranges::any_of(endpoints_, [](const auto &endpoint) {
        return !endpoint.second.is_certain;
    });
}

bool Inventory::may_replace_earlier(std::chrono::steady_clock::duration running) const
{
    return !is_incomplete() || running >= (records().empty() ? wait_for_any : wait_for_some);
}

Record Inventory::completed(Record record) const
{
    const auto vtep = places_.vteps.find(record.vni);
    if (record.vtep == Ip{} && options_.vtep)
        record.vtep = *options_.vtep;
    if (record.vtep == Ip{} && vtep != places_.vteps.end())
        record.vtep = vtep->second.local.value_or(Ip{});
    if (record.port == 0 && vtep != places_.vteps.end())
        record.port = vtep->second.dstport;
    return record;
}

std::set<Record> Inventory::records() const
{
    std::set<Record> records;
    const auto add = [&](const Record &record) {
        if (const auto whole = completed(record); whole.vtep != Ip{})
            records.insert(whole);
    };
    for (const auto &record : options_.given)
        if (places_.vteps.contains(record.vni))
            add(record);
    for (const auto &record : places_.own_addresses)
        add(record);
    for (const auto &[id, endpoint] : endpoints_) {
        if (!endpoint.is_certain)
            continue;
        if (endpoint.ips.empty())
            add({id.vni, id.mac, std::nullopt, Ip{}, 0});
        for (const auto &ip : endpoint.ips)
            add({id.vni, id.mac, ip, Ip{}, 0});
    }
    return records;
}

std::vector<SavedEndpoint> Inventory::saved() const
{
    std::vector<SavedEndpoint> all;
    for (const auto &[id, endpoint] : endpoints_)
        all.push_back({endpoint.place.device, endpoint.place.vlan, id.vni, id.mac, endpoint.ips});
    all.insert(all.end(), remembered_.begin(), remembered_.end());
    return all;
}

const Inventory::Endpoint *Inventory::find(const EndpointId &id) const
{
    const auto found = endpoints_.find(id);
    return found == endpoints_.end() ? nullptr : &found->second;
}

std::optional<std::uint32_t> Inventory::vni_at(const Place &place) const
{
    const auto found = places_.vnis.find(place);
    return found == places_.vnis.end() ? std::nullopt : std::optional(found->second);
}

} // namespace xvtep::agent
