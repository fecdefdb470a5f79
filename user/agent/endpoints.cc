// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/endpoints.h"

#include <algorithm>

#include <linux/neighbour.h>

#include "user/agent/log.h"
#include "xvtep/port.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

constexpr auto publish_pause = 100ms; // hosts that dispute an address would keep everybody busy

// Nothing if a part cannot be read: a half view would withdraw the endpoints of the other half.
std::optional<SystemView> read_system(Netlink &netlink, const std::vector<VtepInfo> &vteps)
{
    const auto links = netlink.links();
    const auto addresses = netlink.addresses();
    const auto ports = show_ports();
    const auto bridge_entries = netlink.bridge_fdb();
    if (!links || !addresses || !ports || !bridge_entries)
        return std::nullopt;
    SystemView view;
    view.vteps = vteps;
    for (const auto &link : *links)
        view.devices.push_back(
            {link.index, link.name, link.mac, link.master, link.kind == "vxlan", link.is_up()});
    for (const auto &[index, address] : *addresses)
        view.addresses.push_back({index, address.address});
    for (const auto &[port, entry] : *bridge_entries)
        if ((entry.state & NUD_PERMANENT) == 0)
            view.bridge_entries.push_back({port, entry.mac});
    for (const auto &port : *ports)
        view.ports.push_back({port.name, port.vlan.value_or(0), port.vni, port.addresses});
    return view;
}

} // namespace

Endpoints::Endpoints(Loop &loop, Netlink netlink, EndpointOptions options,
                     std::function<void(const std::set<Record> &)> announce, Elsewhere is_elsewhere)
    : loop_(loop), netlink_(std::move(netlink)), state_file_(options.state_file),
      announce_(std::move(announce)), is_elsewhere_(std::move(is_elsewhere)),
      inventory_(std::move(options)), requesters_(loop),
      moves_(loop,
             [this](const Key &ip, const Mac &mac) {
                 tell_host(ip, mac);
                 return tell_ports(ip, mac);
             }),
      sockets_(loop, [this](int ifindex, const std::string &device,
                            const Heard &what) { add_heard(ifindex, device, what); }),
      started_(loop.now())
{
    load();
}

Endpoints::~Endpoints()
{
    *alive_ = false;
}

void Endpoints::refresh(const std::vector<VtepInfo> &vteps)
{
    const auto view = read_system(netlink_, vteps);
    if (!view)
        return;
    inventory_.update(*view);
    sockets_.set(inventory_.places().devices);
    for (const auto &id : inventory_.uncertain())
        confirm(id);
    requesters_.forget_old();
    publish_soon();
}

void Endpoints::add_heard(int ifindex, const std::string &device, const Heard &what)
{
    const Place place{device, what.vlan};
    const auto vni = inventory_.vni_at(place);
    if (!vni)
        return;
    if (what.wanted)
        requesters_.add({*vni, *what.wanted}, {ifindex, what.vlan, what.mac, what.ip});
    moves_.heard({*vni, what.ip});
    if (inventory_.add_heard(place, what.mac, what.ip))
        publish_soon();
}

void Endpoints::answer(const Record &record)
{
    if (!record.ip)
        return;
    for (const auto &requester : requesters_.take({record.vni, *record.ip})) {
        const Heard request{requester.mac, requester.ip, requester.vlan, record.ip};
        sockets_.send(requester.ifindex, answer_frame(request, record.mac));
    }
}

void Endpoints::tell(const Record &record)
{
    if (record.ip)
        moves_.moved({record.vni, *record.ip}, record.mac);
}

// Returns the number of frames.
std::size_t Endpoints::tell_ports(const Key &ip, const Mac &mac)
{
    std::size_t frames = 0;
    const auto &places = inventory_.places();
    for (const auto &[ifindex, device] : places.devices) {
        if (!sockets_.contains(ifindex))
            continue;
        for (auto place = places.vnis.lower_bound({device, 0});
             place != places.vnis.end() && place->first.device == device; ++place) {
            if (place->second != ip.vni)
                continue;
            sockets_.send(ifindex,
                          announcement_frame(std::get<Ip>(ip.what), mac, place->first.vlan));
            frames++;
        }
    }
    log_debug("{} is {} now: told at {} ports", ip.text(), mac.text(), frames);
    return frames;
}

// Corrects the neighbour tables of this host's own stack, if it has addresses of the overlay.
void Endpoints::tell_host(const Key &ip, const Mac &mac)
{
    const auto &places = inventory_.places();
    const auto vtep = places.vteps.find(ip.vni);
    if (vtep == places.vteps.end())
        return;
    std::vector<int> devices{vtep->second.ifindex};
    if (const auto bridge = places.bridges.find(ip.vni); bridge != places.bridges.end())
        devices.push_back(bridge->second);
    for (const int device : devices)
        if (const auto done = netlink_.correct_neighbour(device, std::get<Ip>(ip.what), mac); !done)
            log_debug("{}", done.error().message());
}

// The bridge has learned the MAC at a port of this host, and would send there for minutes. Without
// that entry it floods, and learns from the answer.
void Endpoints::forget_in_bridge(const EndpointId &id)
{
    const auto &bridges = inventory_.places().bridges;
    const auto bridge = bridges.find(id.vni);
    const auto entries = netlink_.bridge_fdb();
    const auto links = netlink_.links();
    if (bridge == bridges.end() || !entries || !links)
        return;
    for (const auto &[port, entry] : *entries) {
        const auto link = std::ranges::find(*links, port, &Link::index);
        if (entry.mac != id.mac || (entry.state & (NUD_PERMANENT | NUD_NOARP)) != 0 ||
            link == links->end() || link->master != bridge->second || link->kind == "vxlan")
            continue;
        if (const auto done = netlink_.delete_bridge_fdb(port, entry.mac); !done)
            log_debug("{}", done.error().message());
    }
}

// Asks the directory for the MAC, then for each of its IPs. If the directory does not answer, the
// next refresh starts anew.
void Endpoints::confirm(const EndpointId &id)
{
    if (!asking_.insert(id).second)
        return;
    is_elsewhere_({id.vni, id.mac}, [this, id, alive = alive_](std::optional<bool> elsewhere) {
        if (!*alive)
            return;
        asking_.erase(id);
        const auto *endpoint = inventory_.find(id);
        if (endpoint == nullptr || endpoint->is_certain || !elsewhere)
            return;
        if (*elsewhere)
            give_up(id.vni, id.mac);
        else
            confirm_addresses(id, {endpoint->ips.begin(), endpoint->ips.end()});
    });
}

void Endpoints::confirm_addresses(const EndpointId &id, std::vector<Ip> ips)
{
    const auto *endpoint = inventory_.find(id);
    if (endpoint == nullptr || endpoint->is_certain)
        return;
    if (ips.empty()) {
        inventory_.confirm(id);
        return publish_soon();
    }
    const Ip ip = ips.back();
    ips.pop_back();
    asking_.insert(id);
    is_elsewhere_({id.vni, ip}, [this, id, ip, ips = std::move(ips),
                                 alive = alive_](std::optional<bool> elsewhere) {
        if (!*alive)
            return;
        asking_.erase(id);
        if (!elsewhere)
            return;
        if (*elsewhere)
            inventory_.drop_uncertain_ip(id, ip);
        confirm_addresses(id, ips);
    });
}

void Endpoints::give_up_ip(std::uint32_t vni, const Ip &ip)
{
    if (!inventory_.give_up_ip(vni, ip))
        return;
    log_info("vni {} ip {} has gone to another host", vni, ip.text());
    publish_soon();
}

void Endpoints::give_up(std::uint32_t vni, const Mac &mac)
{
    const EndpointId id{vni, mac};
    if (!inventory_.give_up(id))
        return;
    log_info("vni {} mac {} has gone to another host", vni, mac.text());
    forget_in_bridge(id);
    publish_soon();
}

void Endpoints::publish_soon()
{
    if (std::exchange(publishing_, true))
        return;
    const auto earliest = published_at_ + publish_pause - loop_.now();
    loop_.after(std::max<Timers::Clock::duration>(10ms, earliest), [this, alive = alive_] {
        if (*alive)
            publish();
    });
}

void Endpoints::publish()
{
    publishing_ = false;
    const auto own = inventory_.records();
    if (own == published_)
        return;
    if (!published_ && !inventory_.may_replace_earlier(loop_.now() - started_))
        return; // each refresh tries again
    published_at_ = loop_.now();
    published_ = own;
    save();
    announce_(own);
}

void Endpoints::load()
{
    if (state_file_.empty())
        return;
    auto saved = read_state(state_file_);
    if (saved)
        inventory_.remember(std::move(*saved));
    else if (saved.error().code != ENOENT)
        log_warning("{}", saved.error().message());
}

void Endpoints::save()
{
    if (state_file_.empty())
        return;
    const auto done = write_state(state_file_, inventory_.saved());
    if (!done && !warned_of_saving_)
        log_warning("{}", done.error().message());
    warned_of_saving_ = !done;
}

} // namespace xvtep::agent
