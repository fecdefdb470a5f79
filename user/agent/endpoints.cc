// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/endpoints.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>

#include <linux/neighbour.h>

#include "user/agent/log.h"

namespace xvtep::agent {
namespace {

using namespace std::chrono_literals;

constexpr unsigned frames_at_once = 256;
constexpr std::size_t requesters_most = 512; // of one port
constexpr auto settling = 30s;               // for ports that come, and a directory that is slow
constexpr auto publish_pause = 100ms; // hosts that dispute an address make work for everybody
constexpr auto requester_waits = 5s;  // it has asked three times by then, and given up
constexpr unsigned tell_times = 2;
constexpr auto tell_pause = 1s; // for an IP
constexpr std::size_t tales_most = 4096;
constexpr std::size_t tell_frames = 500; // at a time, and then
constexpr auto tell_rest = 50ms;

} // namespace

Endpoints::Endpoints(Loop &loop, Netlink netlink, EndpointOptions options,
                     std::function<void(const std::set<Record> &)> announce, Elsewhere is_elsewhere)
    : loop_(loop), netlink_(std::move(netlink)), options_(std::move(options)),
      announce_(std::move(announce)), is_elsewhere_(std::move(is_elsewhere))
{
    load();
}

Endpoints::~Endpoints()
{
    *alive_ = false;
    for (const auto &[ifindex, snoop] : snoops_)
        loop_.forget(snoop.socket.get());
}

Record Endpoints::placed(Record record) const
{
    const auto vtep = vteps_.find(record.vni);
    if (record.vtep == Ip{})
        record.vtep = options_.vtep          ? *options_.vtep
                      : vtep != vteps_.end() ? vtep->second.local.value_or(Ip{})
                                             : Ip{};
    if (record.port == 0 && vtep != vteps_.end())
        record.port = vtep->second.dstport;
    return record;
}

void Endpoints::refresh(const std::vector<VtepInfo> &vteps)
{
    const auto found_links = netlink_.links();
    const auto addresses = netlink_.addresses();
    const auto ports = show_ports();
    const auto bridge_lines = netlink_.bridge_fdb();
    if (!found_links || !addresses || !ports || !bridge_lines)
        return; // half of it would withdraw the rest: looked at again in a second
    const auto &links = *found_links;
    vteps_.clear();
    bridges_.clear();
    places_.clear();
    fixed_.clear();
    for (const auto &vtep : vteps)
        vteps_.emplace(vtep.vni, vtep);
    for (const auto &record : options_.given)
        if (vteps_.contains(record.vni))
            fixed_.insert(record);

    const auto own_addresses = [&](std::uint32_t vni, const Link &link) {
        for (const auto &[index, address] : *addresses)
            if (index == link.index)
                fixed_.insert({vni, link.mac, address.address, Ip{}, 0});
    };
    // Of a bridge with several VTEPs only its VLANs could tell whose a port is.
    const auto vteps_in = [&](int bridge) {
        return std::ranges::count_if(
            links, [&](const Link &link) { return link.kind == "vxlan" && link.master == bridge; });
    };
    std::map<int, std::string> devices; // to be snooped at
    std::map<Name, Place> bridged;
    for (const auto &vtep : vteps) {
        const auto device = std::ranges::find(links, vtep.ifindex, &Link::index);
        if (device == links.end())
            continue;
        own_addresses(vtep.vni, *device);
        if (device->master == 0 || vteps_in(device->master) != 1)
            continue;
        bridges_[vtep.vni] = device->master;
        for (const auto &link : links) {
            if (link.index == device->master)
                own_addresses(vtep.vni, link);
            if (link.master != device->master || link.index == device->index || !link.is_up())
                continue;
            const Place place{link.name, 0};
            places_.emplace(place, vtep.vni);
            devices.emplace(link.index, link.name);
            for (const auto &[port, line] : *bridge_lines)
                if (port == link.index && (line.state & NUD_PERMANENT) == 0 &&
                    !line.mac.is_multicast())
                    bridged.emplace(Name{vtep.vni, line.mac}, place);
        }
    }
    std::map<Name, Place> behind_ports;
    for (const auto &port : *ports) {
        const auto link = std::ranges::find(links, port.name, &Link::name);
        if (!vteps_.contains(port.vni) || link == links.end() || !link->is_up())
            continue;
        const Place place{port.name, port.vlan.value_or(0)};
        places_.insert_or_assign(place, port.vni);
        devices.emplace(link->index, link->name);
        for (const auto &mac : port.addresses)
            behind_ports.emplace(Name{port.vni, mac}, place);
    }
    watch_ports(devices);
    recall();

    std::erase_if(endpoints_, [&](const auto &endpoint) {
        const auto place = places_.find(endpoint.second.place);
        return place == places_.end() || place->second != endpoint.first.vni;
    });
    // A bridge keeps old entries for minutes: only one that is new since the last look is news.
    std::erase_if(yielded_, [&](const auto &yielded) {
        const auto now = bridged.find(yielded.first);
        return now == bridged.end() || now->second != yielded.second;
    });
    for (const auto &[name, place] : bridged) {
        const auto before = bridged_.find(name);
        const bool news = before == bridged_.end() || before->second != place;
        if (!yielded_.contains(name) && (news || !endpoints_.contains(name)))
            seen(name, place, false);
    }
    bridged_ = std::move(bridged);
    for (const auto &[name, place] : behind_ports)
        if (!yielded_.contains(name) && !endpoints_.contains(name))
            seen(name, place, false);
    for (auto &[name, endpoint] : endpoints_)
        if (!endpoint.certain && !endpoint.asking)
            confirm(name);
    forget_old_requesters();
    known_.clear();
    for (const auto &[name, endpoint] : endpoints_)
        known_[endpoint.place.device] += 1 + endpoint.ips.size();
    publish_soon();
}

void Endpoints::watch_ports(const std::map<int, std::string> &devices)
{
    std::erase_if(snoops_, [&](const auto &snoop) {
        const auto device = devices.find(snoop.first);
        const bool gone = device == devices.end() || device->second != snoop.second.device;
        if (gone)
            loop_.forget(snoop.second.socket.get());
        return gone;
    });
    for (const auto &[ifindex, device] : devices) {
        if (snoops_.contains(ifindex))
            continue;
        auto socket = open_snoop(ifindex);
        if (!socket) {
            log_warning("{}: {}", device, socket.error().message());
            continue;
        }
        const auto &snoop = snoops_[ifindex] = {device, std::move(*socket)};
        loop_.watch(snoop.socket.get(), EPOLLIN, [this, index = ifindex](std::uint32_t) {
            const auto at = snoops_.find(index);
            if (at != snoops_.end())
                read_snoop(at->second.socket, frames_at_once,
                           [&](const Heard &what) { heard(index, at->second.device, what); });
        });
    }
}

void Endpoints::heard(int ifindex, const std::string &device, const Heard &what)
{
    const Place place{device, what.vlan};
    const auto vni = places_.find(place);
    if (vni == places_.end())
        return;
    const Name name{vni->second, what.mac};
    yielded_.erase(name);
    seen(name, place, true);
    if (what.wanted)
        remember_requester({name.vni, *what.wanted}, {ifindex, what.vlan, what.mac, what.ip});
    tales_.erase({name.vni, what.ip}); // everybody here has heard it, too
    const auto at = endpoints_.find(name);
    if (at == endpoints_.end() || at->second.ips.contains(what.ip))
        return;
    if (!has_room(device))
        return;
    // An address is one host's: the last that says so.
    for (auto &[other, endpoint] : endpoints_)
        if (other.vni == name.vni)
            endpoint.ips.erase(what.ip);
    at->second.ips.insert(what.ip);
    publish_soon();
}

void Endpoints::remember_requester(const Key &wanted, const ArpRequester &requester)
{
    auto &count = requests_[requester.ifindex];
    const auto found = requesters_.find(wanted);
    const bool known = found != requesters_.end() && found->second.contains(requester);
    if (!known && count >= requesters_most)
        return;
    if (!known)
        count++;
    requesters_[wanted][requester] = Loop::Clock::now();
}

void Endpoints::forget_old_requesters()
{
    requests_.clear();
    for (auto &[key, requesters] : requesters_) {
        std::erase_if(requesters, [now = Loop::Clock::now()](const auto &requester) {
            return now - requester.second > requester_waits;
        });
        for (const auto &[requester, when] : requesters)
            requests_[requester.ifindex]++;
    }
    std::erase_if(requesters_, [](const auto &wanted) { return wanted.second.empty(); });
}

void Endpoints::answer(const Record &record)
{
    if (!record.ip)
        return;
    const auto now = Loop::Clock::now();
    const auto found = requesters_.find(Key{record.vni, *record.ip});
    if (found == requesters_.end())
        return;
    for (const auto &[requester, when] : found->second) {
        const auto snoop = snoops_.find(requester.ifindex);
        if (snoop == snoops_.end() || now - when > requester_waits)
            continue;
        const auto frame =
            answer_frame({requester.mac, requester.ip, requester.vlan, record.ip}, record.mac);
        (void)::send(snoop->second.socket.get(), frame.data(), frame.size(), 0);
    }
    requesters_.erase(found);
}

void Endpoints::tell(const Record &record)
{
    if (!record.ip)
        return;
    const Key key{record.vni, *record.ip};
    if (tales_.size() >= tales_most && !tales_.contains(key)) {
        log_debug("{} has moved: too many have at once to tell of it", key.text());
        return;
    }
    auto &tale = tales_[key];
    tale.mac = record.mac;
    tale.times = tell_times;
    tell_soon({});
}

void Endpoints::tell_soon(Loop::Clock::duration delay)
{
    if (!std::exchange(telling_, true))
        loop_.after(delay, [this, alive = alive_] {
            if (!*alive)
                return;
            telling_ = false;
            tell_more();
        });
}

void Endpoints::tell_more()
{
    const auto now = Loop::Clock::now();
    std::size_t frames = 0;
    for (auto &[key, tale] : tales_) {
        if (frames >= tell_frames)
            break;
        if (tale.times == 0 || tale.next > now)
            continue;
        frames += tell_ports(key, tale.mac);
        tell_host(key, tale.mac);
        tale.times--;
        tale.next = now + tell_pause;
    }
    // One that has been told is kept for its pause.
    std::erase_if(tales_, [&](const auto &tale) {
        return tale.second.times == 0 && tale.second.next <= now;
    });
    if (!tales_.empty())
        tell_soon(tell_rest);
}

std::size_t Endpoints::tell_ports(const Key &key, const Mac &mac)
{
    std::size_t frames = 0;
    for (const auto &[ifindex, snoop] : snoops_)
        for (auto place = places_.lower_bound({snoop.device, 0});
             place != places_.end() && place->first.device == snoop.device; ++place) {
            if (place->second != key.vni)
                continue;
            const auto frame = announcement_frame(std::get<Ip>(key.what), mac, place->first.vlan);
            (void)::send(snoop.socket.get(), frame.data(), frame.size(), 0);
            frames++;
        }
    log_debug("{} is {} now: told at {} ports", key.text(), mac.text(), frames);
    return frames;
}

// The host's own stack, where it has addresses of the overlay.
void Endpoints::tell_host(const Key &key, const Mac &mac)
{
    const auto vtep = vteps_.find(key.vni);
    if (vtep == vteps_.end())
        return;
    std::vector<int> devices{vtep->second.ifindex};
    if (const auto bridge = bridges_.find(key.vni); bridge != bridges_.end())
        devices.push_back(bridge->second);
    for (const int device : devices)
        if (const auto done = netlink_.correct_neighbour(device, std::get<Ip>(key.what), mac);
            !done)
            log_debug("{}", done.error().message());
}

// The bridge learned the MAC at a port of this host, and would send there for minutes. Without its
// entry it sends to all of its ports, and learns from the answer.
void Endpoints::forget_in_bridge(const Name &name)
{
    const auto bridge = bridges_.find(name.vni);
    const auto lines = netlink_.bridge_fdb();
    const auto links = netlink_.links();
    if (bridge == bridges_.end() || !lines || !links)
        return;
    for (const auto &[port, line] : *lines) {
        const auto link = std::ranges::find(*links, port, &Link::index);
        if (line.mac != name.mac || (line.state & (NUD_PERMANENT | NUD_NOARP)) != 0 ||
            link == links->end() || link->master != bridge->second || link->kind == "vxlan")
            continue;
        if (const auto done = netlink_.delete_bridge_fdb(port, line.mac); !done)
            log_debug("{}", done.error().message());
    }
}

void Endpoints::seen(const Name &name, const Place &place, bool certain)
{
    auto found = endpoints_.find(name);
    if (found == endpoints_.end()) {
        if (!has_room(place.device))
            return;
        found = endpoints_.emplace(name, Endpoint{place, {}, false, false}).first;
    }
    found->second.place = place;
    if (certain && !found->second.certain) {
        found->second.certain = true;
        publish_soon();
    }
}

// For one more address behind the device. Whoever is there can make them up.
bool Endpoints::has_room(const std::string &device)
{
    auto &count = known_[device];
    if (count < options_.most_per_port) {
        count++;
        return true;
    }
    if (full_.insert(device).second)
        log_warning("{}: {} addresses already, more are not announced", device, count);
    return false;
}

void Endpoints::confirm(const Name &name)
{
    endpoints_.at(name).asking = true;
    is_elsewhere_({name.vni, name.mac},
                  [this, name, alive = alive_](std::optional<bool> elsewhere) {
                      if (!*alive)
                          return;
                      const auto at = endpoints_.find(name);
                      if (at == endpoints_.end())
                          return;
                      at->second.asking = false;
                      if (at->second.certain || !elsewhere) // or asked again in a second
                          return;
                      if (*elsewhere)
                          claimed(name.vni, name.mac);
                      else
                          confirm_addresses(name, {at->second.ips.begin(), at->second.ips.end()});
                  });
}

// The MAC is here: what of its remembered addresses is not another's by now?
void Endpoints::confirm_addresses(const Name &name, std::vector<Ip> ips)
{
    const auto at = endpoints_.find(name);
    if (at == endpoints_.end() || at->second.certain)
        return;
    if (ips.empty()) {
        at->second.certain = true;
        return publish_soon();
    }
    at->second.asking = true;
    const Ip ip = ips.back();
    ips.pop_back();
    is_elsewhere_({name.vni, ip}, [this, name, ip, ips = std::move(ips),
                                   alive = alive_](std::optional<bool> elsewhere) {
        if (!*alive)
            return;
        const auto asked = endpoints_.find(name);
        if (asked == endpoints_.end())
            return;
        asked->second.asking = false;
        if (!elsewhere) // all over again in a second
            return;
        if (*elsewhere && !asked->second.certain)
            asked->second.ips.erase(ip);
        confirm_addresses(name, ips);
    });
}

void Endpoints::claimed(std::uint32_t vni, const Ip &ip)
{
    for (auto &[name, endpoint] : endpoints_)
        if (name.vni == vni && endpoint.ips.erase(ip) != 0) {
            log_info("vni {} ip {} has gone to another host", vni, ip.text());
            publish_soon();
        }
}

void Endpoints::claimed(std::uint32_t vni, const Mac &mac)
{
    const Name name{vni, mac};
    const auto at = endpoints_.find(name);
    if (at == endpoints_.end())
        return;
    log_info("vni {} mac {} has gone to another host", vni, mac.text());
    yielded_[name] = at->second.place;
    forget_in_bridge(name);
    endpoints_.erase(at);
    publish_soon();
}

void Endpoints::publish_soon()
{
    if (!std::exchange(publishing_, true))
        loop_.after(std::max<Loop::Clock::duration>(10ms, published_at_ + publish_pause -
                                                              Loop::Clock::now()),
                    [this, alive = alive_] {
                        if (*alive)
                            publish();
                    });
}

void Endpoints::publish()
{
    publishing_ = false;
    std::set<Record> own;
    const auto add = [&](const Record &record) {
        if (const auto full = placed(record); full.vtep != Ip{})
            own.insert(full);
    };
    for (const auto &record : fixed_)
        add(record);
    for (const auto &[name, endpoint] : endpoints_) {
        if (!endpoint.certain)
            continue;
        if (endpoint.ips.empty())
            add({name.vni, name.mac, std::nullopt, Ip{}, 0});
        for (const auto &ip : endpoint.ips)
            add({name.vni, name.mac, ip, Ip{}, 0});
    }
    if (own == published_)
        return;
    // Nothing yet is not the same as nothing: what a run before this one announced is left until
    // the directory has been asked.
    if (!published_ && own.empty() && Loop::Clock::now() < started_ + settling &&
        (!remembered_.empty() || std::ranges::any_of(endpoints_, [](const auto &endpoint) {
            return !endpoint.second.certain;
        })))
        return;
    published_at_ = Loop::Clock::now();
    published_ = own;
    save();
    announce_(own);
}

void Endpoints::load()
{
    if (options_.state_file.empty())
        return;
    auto saved = read_state(options_.state_file);
    if (saved)
        remembered_ = std::move(*saved);
    else if (saved.error().code != ENOENT)
        log_warning("{}", saved.error().message());
}

// What the state file said of places that are there by now.
void Endpoints::recall()
{
    std::erase_if(remembered_, [&](const SavedEndpoint &what) {
        const Place place{what.device, what.vlan};
        const Name name{what.vni, what.mac};
        const auto vni = places_.find(place);
        if (vni == places_.end())
            return false;
        if (vni->second == name.vni && !endpoints_.contains(name)) {
            seen(name, place, false);
            if (const auto at = endpoints_.find(name); at != endpoints_.end())
                at->second.ips = what.ips;
        }
        return true;
    });
}

void Endpoints::save()
{
    if (options_.state_file.empty())
        return;
    std::vector<SavedEndpoint> all;
    for (const auto &[name, endpoint] : endpoints_)
        all.push_back(
            {endpoint.place.device, endpoint.place.vlan, name.vni, name.mac, endpoint.ips});
    all.insert(all.end(), remembered_.begin(), remembered_.end());
    const auto done = write_state(options_.state_file, all);
    if (!done && !std::exchange(complained_of_saving_, true))
        log_warning("{}", done.error().message());
    if (done)
        complained_of_saving_ = false;
}

} // namespace xvtep::agent
