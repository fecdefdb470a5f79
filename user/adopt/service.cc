// SPDX-License-Identifier: GPL-2.0-only
// The service: which devices and underlay ports have programs, and when their fast path may be
// used.
#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "user/adopt/adopt.h"
#include "user/adopt/device.h"
#include "user/adopt/mirror_socket.h"
#include "user/adopt/private_datapath.h"
#include "user/datapath/adopt_registry.h"
#include "user/net/link_message.h"
#include "user/vtep/clock.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/session.h"

namespace xvtep::adopt {
namespace {

constexpr std::uint64_t lease = second;
constexpr int tick = 100; // ms
constexpr const char *own_reason = "it is xvtep's own (xvtep attach)";
constexpr std::size_t most_routes = 256;
constexpr __u32 fdb_entries = 1 << 18, remotes = 1 << 13;

void say(const std::string &line)
{
    std::fputs((line + "\n").c_str(), stderr);
}

// As sd_notify(3): the service manager is told nothing if there is none.
void notify(const char *state)
{
    const char *const path = std::getenv("NOTIFY_SOCKET");
    sockaddr_un address{};
    if (path == nullptr || (path[0] != '/' && path[0] != '@') ||
        std::strlen(path) >= sizeof(address.sun_path))
        return;
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path);
    auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    else
        size++;
    const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (socket)
        (void)::sendto(socket.get(), state, std::strlen(state), MSG_NOSIGNAL,
                       reinterpret_cast<const sockaddr *>(&address), size);
}

// SIGINT and SIGTERM as a descriptor.
Result<Fd> stop_signals()
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
    Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd)
        return errno_failure("adopt", "signals", errno);
    return fd;
}

template <class T> T load(T &value)
{
    return std::atomic_ref(value).load();
}

template <class T> void store(T &value, T now)
{
    std::atomic_ref(value).store(now);
}

struct Device {
    std::string name;
    xv_vtep record{};
    Fd egress, ingress;
    // The number of deletions while the last dump was read, if it is to be read again when no more
    // come: it may have left out entries.
    std::optional<__u32> again{};
};

struct Port {
    std::string name;
    Fd ingress, egress;
};

class Service {
  public:
    Service(const Request &request, std::uint64_t cookie, Netlink netlink, Registration place,
            PrivateDatapath datapath, MirrorSocket socket, Fd signals, HostDefaults defaults)
        : request_(request), cookie_(cookie), netlink_(std::move(netlink)),
          place_(std::move(place)), datapath_(std::move(datapath)), socket_(std::move(socket)),
          signals_(std::move(signals)), defaults_(defaults)
    {
    }

    Result<> run()
    {
        TRY_ASSIGN(const auto links, netlink_.links());
        for (const auto &name : request_.underlays) {
            TRY_ASSIGN(const auto port, netlink_.link(name));
            if (const auto reason = why_no_port(port); !reason.empty())
                return system_failure("adopt", name, reason, EOPNOTSUPP);
        }
        for (const auto &name : request_.devices) {
            TRY_ASSIGN(const auto link, netlink_.link(name));
            TRY_ASSIGN(const auto reason, refusal(link));
            if (!reason.empty())
                return system_failure("adopt", name, reason, EOPNOTSUPP);
        }
        for (const auto &link : links)
            TRY(look_at(link));
        TRY(write_place());
        TRY(turn());
        say("ready");
        notify("READY=1");
        while (go_on())
            ;
        notify("STOPPING=1");
        if (failed_)
            return std::unexpected(*failed_);
        return {};
    }

  private:
    // One turn of the loop. Returns whether there is to be another.
    bool go_on()
    {
        pollfd polled[] = {{socket_.fd(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
        (void)::poll(polled, std::size(polled), tick);
        if (polled[1].revents != 0)
            return false;
        if (auto done = turn(); !done) {
            failed_ = done.error();
            return false;
        }
        return true;
    }

    // What messages say about devices.
    struct Changes {
        std::set<int> gone, changed; // by ifindex; one that is gone may be there again
    };

    void note(const nlmsghdr &message, Changes &changes)
    {
        const auto *const header = payload<ifinfomsg>(message);
        if (header == nullptr)
            return;
        const int index = header->ifi_index;
        const auto link = parse_link(message);
        if (message.nlmsg_type == RTM_DELLINK)
            changes.gone.insert(index);
        if (devices_.contains(index) || ports_.contains(index) || refused_.contains(index) ||
            (link && link->vxlan))
            changes.changed.insert(index);
        else if (link)
            look_at_routes_ = true; // a port may have come up
    }

    // Reads messages and acts on them. Returns whether there were any that matter.
    Result<bool> read_messages()
    {
        Changes changes;
        TRY_ASSIGN(const bool complete,
                   socket_.drain([&](const nlmsghdr &message) { note(message, changes); }));
        if (!complete) {
            say("messages of the kernel were lost: reading all tables again");
            TRY(read_all_again());
        }
        for (const int index : changes.gone) {
            TRY(release(index));
            release_port(index);
            forget_refused(index);
        }
        for (const int index : changes.changed)
            TRY(look_at(index));
        return !complete || !changes.changed.empty();
    }

    Result<> turn()
    {
        TRY(read_messages());
        TRY(do_each_second());
        if (load(datapath_.service[0].remotes) != remotes_seen_ || look_at_routes_)
            TRY(follow_routes());
        if (write_place_)
            TRY(write_place());
        // A service that does not keep up has no lease: the socket must have been empty just now.
        TRY_ASSIGN(const bool more, read_messages());
        if (!more)
            extend_lease();
        return {};
    }

    void extend_lease()
    {
        const __u64 until = monotonic() + lease;
        store(datapath_.service[0].lease, until);
    }

    Result<> do_each_second()
    {
        const auto now = monotonic();
        if (now < next_second_)
            return {};
        next_second_ = now + second;
        notify("WATCHDOG=1");
        look_at_routes_ = look_at_routes_ || ++seconds_ % 2 == 0;
        TRY_ASSIGN(const auto defaults, HostDefaults::read());
        if (defaults != defaults_) {
            defaults_ = defaults;
            for (const auto &[index, device] : std::map<int, int>(indexes()))
                TRY(look_at(index));
        }
        const xv_adopt_row sweep{.key = {}, .op = XV_ADOPT_SWEEP, .flags = 0, .addr = {}};
        TRY(datapath_.run({&sweep, 1}));
        for (auto &[index, device] : devices_) {
            const __u32 deletions = load(shared(device).deletions);
            if (device.again && *device.again == deletions) {
                if (auto done = read_table(index, device); !done && done.error().code != ENODEV)
                    return done;
            } else if (device.again)
                device.again = deletions;
        }
        return {};
    }

    [[nodiscard]] std::map<int, int> indexes() const
    {
        std::map<int, int> all;
        for (const auto &[index, device] : devices_)
            all.emplace(index, index);
        return all;
    }

    xv_adopted &shared(const Device &device) { return datapath_.devices[device.record.slot]; }

    Result<std::string> refusal(const Link &link)
    {
        TRY_ASSIGN(const bool own, is_own(link));
        if (own)
            return std::string(own_reason);
        if (auto reason = why_refused(link); !reason.empty())
            return reason;
        for (const auto &[index, device] : devices_)
            if (index != link.index && device.record.vni == link.vxlan->vni &&
                ntohs(device.record.dstport) == link.vxlan->dstport)
                return fmt::format("{} has its VNI and UDP port", device.name);
        return std::string();
    }

    // Whether `xvtep attach` has made the device.
    static Result<bool> is_own(const Link &link)
    {
        if (link.group == unfinished_group)
            return true;
        const auto session = Session::reader("adopt", link.name);
        if (!session && session.error().code == ENOENT) // no bpf file system
            return false;
        if (!session)
            return std::unexpected(session.error());
        TRY_ASSIGN(const auto attached, session->vtep_of_device(link.index));
        return attached.has_value();
    }

    [[nodiscard]] bool is_wanted(const Link &link) const
    {
        return link.vxlan && (request_.all || std::ranges::count(request_.devices, link.name) != 0);
    }

    Result<> look_at(int index)
    {
        const auto link = netlink_.link(index);
        if (link)
            return look_at(*link);
        if (link.error().code != ENODEV)
            return std::unexpected(link.error());
        TRY(release(index));
        release_port(index);
        forget_refused(index);
        return {};
    }

    void forget_refused(int index)
    {
        if (refused_.erase(index) != 0)
            write_place_ = true;
    }

    // Adopts the device, refuses it, or reads its options again.
    Result<> look_at(const Link &seen)
    {
        const bool adopted = devices_.contains(seen.index);
        if (!adopted && !is_wanted(seen))
            return {};
        TRY_ASSIGN(const auto reason, refusal(seen));
        if (!reason.empty() || !is_wanted(seen)) {
            TRY(release(seen.index));
            if (reason.empty() || (request_.all && reason == own_reason))
                forget_refused(seen.index);
            else
                refuse(seen, reason);
            return {};
        }
        forget_refused(seen.index);
        if (adopted)
            return read_options(seen.index);
        auto done = adopt(seen);
        if (!done) {
            const Error &error = done.error();
            TRY(release(seen.index));
            if (error.code == EOPNOTSUPP || error.code == EPERM)
                return std::unexpected(error);
            if (error.code != ENODEV) // else it was deleted meanwhile
                refuse(seen, error.cause);
        }
        return {};
    }

    void refuse(const Link &link, const std::string &reason)
    {
        RefusedDevice &refused = refused_[link.index];
        if (refused.name == link.name && refused.reason == reason)
            return;
        refused = {link.name, reason};
        write_place_ = true;
        say(fmt::format("{}: left to the kernel: {}", link.name, reason));
    }

    Result<__u32> new_slot()
    {
        const auto size = static_cast<__u32>(datapath_.devices.size());
        for (__u32 tried = 0; tried < size; tried++) {
            const __u32 slot = next_slot_;
            next_slot_ = next_slot_ + 1 < size ? next_slot_ + 1 : 1;
            if (slots_.insert(slot).second)
                return slot;
        }
        return system_failure("adopt", "",
                              "the table of devices is full (a restart makes it larger)", ENOSPC);
    }

    [[nodiscard]] RecordChoices choices(__u32 slot) const
    {
        return {
            .slot = slot, .cookie = cookie_, .udpcsum = request_.udpcsum, .defaults = defaults_};
    }

    Result<> adopt(const Link &link)
    {
        TRY_ASSIGN(const __u32 slot, new_slot());
        const auto index = static_cast<__u32>(link.index);
        Device &device = devices_[link.index];
        device.name = link.name;
        device.record = record_of(link, choices(slot), nullptr);
        const Tables &tables = datapath_.tables;
        xv_adopted &state = shared(device);
        store(state.ready, load(state.seq) - 1);
        datapath_.tables.retired_counts[slot] = {};
        TRY_ASSIGN(const auto cpus, possible_cpus());
        const std::vector<xv_counters> zeros(cpus);
        if (bpf_map_update_elem(tables.counters.fd(), &slot, zeros.data(), BPF_ANY) != 0)
            return errno_failure("adopt", link.name, errno, "counters");
        TRY(tables.mark_alive(index));
        TRY(put_record(device));
        TRY(tables.vnis.put({device.record.vni, device.record.dstport, 0}, slot));
        TRY(tables.vni_hints.put(device.record.vni % XV_VNI_HINTS, slot));
        TRY(put_dstport(device.record.dstport));
        TRY(tables.devices.put(index, slot)); // from now on the filter mirrors it
        TRY_SET(device.egress,
                datapath_.attach("xvtep_adopt_device_egress", link.index, Hook::egress, link.name));
        TRY_SET(device.ingress, datapath_.attach("xvtep_adopt_device_ingress", link.index,
                                                 Hook::ingress, link.name));
        TRY(read_table(link.index, device));
        look_at_routes_ = true;
        say(fmt::format("{}: adopted (VNI {})", link.name, device.record.vni));
        return read_options(link.index);
    }

    Result<> put_record(Device &device)
    {
        device.record.underlay_count = 0;
        for (const auto &[index, port] : ports_)
            if (device.record.underlay_count < XV_UNDERLAYS_MAX)
                device.record.underlays[device.record.underlay_count++] = static_cast<__u32>(index);
        const auto one = addr_is_set(device.record.local);
        if (one)
            TRY(datapath_.tables.local_addrs.put(device.record.local, 1));
        return datapath_.tables.vteps.put(device.record.slot, device.record);
    }

    Result<> put_dstport(__be16 dstport)
    {
        const __u32 port = ntohs(dstport), word = port / 64;
        TRY_ASSIGN(const auto bits, datapath_.tables.dstports.look_up(word));
        return datapath_.tables.dstports.put(word, bits.value_or(0) | 1ULL << port % 64);
    }

    // Reads the options of an adopted device, and lets its fast path go on with them.
    Result<> read_options(int index)
    {
        Device &device = devices_.at(index);
        xv_adopted &state = shared(device);
        const __u32 seq = load(state.seq); // before the options: what comes later counts again
        const auto link = netlink_.link(index);
        if (!link)
            return link.error().code == ENODEV ? release(index)
                                               : Result<>(std::unexpected(link.error()));
        TRY_ASSIGN(const auto reason, refusal(*link));
        if (!reason.empty() || !is_wanted(*link) || link->vxlan->vni != device.record.vni ||
            link->vxlan->dstport != ntohs(device.record.dstport)) {
            TRY(release(index)); // the message of the change has us look at it again
            if (!reason.empty())
                refuse(*link, reason);
            return {};
        }
        TRY_ASSIGN(const auto old, datapath_.tables.vteps.look_up(device.record.slot));
        const xv_vtep fresh = record_of(*link, choices(device.record.slot), old ? &*old : nullptr);
        if (!old || !is_same(*old, fresh)) {
            device.record = fresh;
            TRY(put_record(device));
        }
        device.name = link->name;
        if (link->is_up())
            store(state.ready, seq);
        return {};
    }

    // Adds the kernel's entries to the mirror.
    Result<> read_table(int index, Device &device)
    {
        xv_adopted &state = shared(device);
        const __u32 deletions = load(state.deletions), overflow = load(state.overflow);
        store(state.dumping, 1U);
        auto done = copy_table(index, device);
        store(state.dumping, 0U);
        TRY(forget_tombstones());
        if (!done)
            return done;
        if (load(state.overflow) != overflow) { // a row may have brought back what has gone
            TRY(empty_table(device));
            device.again = load(state.deletions);
        } else if (load(state.deletions) != deletions)
            device.again = load(state.deletions);
        else
            device.again.reset();
        return {};
    }

    Result<> copy_table(int index, const Device &device)
    {
        TRY_ASSIGN(const auto entries, netlink_.fdb(index));
        std::vector<xv_adopt_row> rows;
        for (const auto &entry : entries) {
            const auto key = mirrored_key(device.record, entry);
            if (!key)
                continue;
            const unsigned flags =
                XV_FDB_USER |
                ((entry.state & NUD_PERMANENT) != 0 ? XV_FDB_PERMANENT : XV_FDB_STATIC) |
                ((entry.flags & NTF_ROUTER) != 0 ? XV_FDB_ROUTER : 0);
            rows.push_back({.key = *key,
                            .op = XV_ADOPT_PUT,
                            .flags = static_cast<__u16>(flags),
                            .addr = to_addr(*entry.dst)});
        }
        return datapath_.run(rows);
    }

    Result<> forget_tombstones()
    {
        TRY_ASSIGN(const auto all, datapath_.tombstones.entries());
        for (const auto &[key, one] : all)
            TRY(datapath_.tombstones.remove(key));
        return {};
    }

    Result<> empty_table(const Device &device)
    {
        TRY_ASSIGN(const auto all, datapath_.tables.fdb.entries());
        std::vector<xv_adopt_row> rows;
        for (const auto &[key, entry] : all)
            if (key.vni == device.record.vni && key.dstport == device.record.dstport)
                rows.push_back({.key = key, .op = XV_ADOPT_REMOVE, .flags = 0, .addr = {}});
        return datapath_.run(rows);
    }

    // Messages were lost, perhaps such about entries: no table counts until it was read again.
    Result<> read_all_again()
    {
        store(datapath_.service[0].lease, __u64{0});
        for (auto &[index, device] : devices_) {
            TRY(empty_table(device));
            if (auto done = read_table(index, device); !done && done.error().code != ENODEV)
                return done;
        }
        TRY_ASSIGN(const auto links, netlink_.links());
        std::set<int> gone;
        for (const auto &[index, device] : devices_)
            if (find_link(links, index) == nullptr)
                gone.insert(index);
        for (const auto &[index, port] : ports_)
            if (find_link(links, index) == nullptr)
                gone.insert(index);
        for (const int index : gone)
            TRY(look_at(index));
        for (const auto &link : links)
            TRY(look_at(link));
        look_at_routes_ = true;
        return {};
    }

    Result<> release(int index)
    {
        const auto found = devices_.find(index);
        if (found == devices_.end())
            return {};
        Device &device = found->second;
        const __u32 slot = device.record.slot;
        const Tables &tables = datapath_.tables;
        xv_adopted &state = shared(device);
        store(state.ready, load(state.seq) - 1);
        device.egress.reset();
        device.ingress.reset();
        TRY(tables.devices.remove(static_cast<__u32>(index)));
        TRY(empty_table(device));
        TRY(tables.alive.remove(static_cast<__u32>(index)));
        TRY(tables.vnis.remove({device.record.vni, device.record.dstport, 0}));
        TRY(tables.vteps.put(slot, xv_vtep{}));
        say(fmt::format("{}: released", device.name));
        slots_.erase(slot);
        devices_.erase(found);
        return {};
    }

    static std::string why_no_port(const Link &link)
    {
        if ((link.flags & IFF_LOOPBACK) != 0)
            return "it is the loopback device";
        if (!link.has_ethernet_header())
            return "ports without Ethernet headers are not supported yet";
        if ((xmit_of(link, Mode::tc) & XV_XMIT_KERNEL) != 0)
            return "only the kernel can send by it";
        return "";
    }

    // The ports that routes to the remotes lead to, those that devices name, or those given.
    Result<std::set<int>> wanted_ports()
    {
        std::set<int> wanted;
        if (!request_.underlays.empty()) {
            for (const auto &name : request_.underlays)
                if (const auto link = netlink_.link(name))
                    wanted.insert(link->index);
            return wanted;
        }
        TRY_ASSIGN(const auto ids, datapath_.tables.remote_ids.entries());
        std::set<Ip> addresses;
        for (const auto &[key, id] : ids)
            if (load(datapath_.tables.remotes[xv_remote_index(id)].refs) != 0 &&
                addresses.size() < most_routes)
                addresses.insert(to_ip(key.addr));
        for (const auto &address : addresses)
            if (const auto route = netlink_.route_to(address);
                route && !route->is_local && route->oif != 0)
                wanted.insert(route->oif);
        return wanted;
    }

    Result<> follow_routes()
    {
        look_at_routes_ = false;
        remotes_seen_ = load(datapath_.service[0].remotes);
        TRY_ASSIGN(const auto wanted, wanted_ports());
        bool changed = false;
        for (const int index : wanted) {
            if (ports_.contains(index) || devices_.contains(index))
                continue;
            const auto link = netlink_.link(index);
            if (!link || !why_no_port(*link).empty() || is_of_vrf(*link))
                continue;
            if (auto done = attach_port(*link); !done) {
                release_port(index);
                if (done.error().code != ENODEV)
                    return done;
            }
            changed = true;
        }
        for (auto at = ports_.begin(); at != ports_.end();) {
            const int index = (at++)->first;
            if (!wanted.contains(index)) {
                release_port(index);
                changed = true;
            }
        }
        if (changed)
            for (auto &[index, device] : devices_) {
                TRY_ASSIGN(const auto now, datapath_.tables.vteps.look_up(device.record.slot));
                if (now)
                    device.record = *now; // with the local address that the programs have found
                TRY(put_record(device));
            }
        return {};
    }

    // Packets that come in by a VRF are none of the default table's sockets.
    bool is_of_vrf(const Link &link)
    {
        const auto master = link.master != 0 ? netlink_.link(link.master) : Result<Link>(Link{});
        return !master || master->kind == "vrf";
    }

    Result<> attach_port(const Link &link)
    {
        TRY_ASSIGN(const __u32 slot, new_slot());
        const auto index = static_cast<__u32>(link.index);
        Port &port = ports_[link.index];
        port.name = link.name;
        xv_underlay entry{};
        entry.slot = slot;
        entry.mode = XV_MODE_TC;
        std::ranges::copy(link.mac.octets, entry.mac);
        entry.xdp_xmit = xmit_of(link, Mode::tc);
        TRY(datapath_.tables.mark_alive(index));
        TRY(datapath_.tables.underlays.put(index, entry));
        TRY_SET(port.egress, datapath_.attach("xvtep_adopt_underlay_egress", link.index,
                                              Hook::egress, link.name));
        TRY_SET(port.ingress, datapath_.attach("xvtep_adopt_underlay_ingress", link.index,
                                               Hook::ingress, link.name));
        return {};
    }

    void release_port(int index)
    {
        if (ports_.erase(index) == 0)
            return;
        const auto key = static_cast<__u32>(index);
        const Tables &tables = datapath_.tables;
        if (const auto entry = tables.underlays.look_up(key); entry && *entry)
            slots_.erase((*entry)->slot);
        (void)tables.underlays.remove(key);
        (void)tables.alive.remove(key);
    }

    Result<> write_place()
    {
        write_place_ = false;
        Entry entry{.pid = ::getpid(), .fd = datapath_.mount()};
        for (const auto &[index, refused] : refused_)
            entry.refused.push_back(refused);
        return place_.write(entry);
    }

    const Request &request_;
    std::uint64_t cookie_;
    Netlink netlink_;
    Registration place_;
    PrivateDatapath datapath_;
    MirrorSocket socket_;
    Fd signals_;
    HostDefaults defaults_;
    std::map<int, Device> devices_; // by ifindex, as all of these
    std::map<int, Port> ports_;
    std::map<int, RefusedDevice> refused_;
    std::set<__u32> slots_;
    __u32 next_slot_ = 1, remotes_seen_ = 0;
    bool look_at_routes_ = false, write_place_ = false;
    std::uint64_t next_second_ = 0;
    unsigned seconds_ = 0;
    std::optional<Error> failed_;
};

} // namespace

Result<> serve(const Request &request)
{
    TRY(check_privileges("adopt", "", Privilege::load));
    TRY_ASSIGN(const auto cookie, current_netns_cookie());
    TRY_ASSIGN(auto netlink, Netlink::open());
    TRY_ASSIGN(auto place, Registration::take(cookie));
    TRY_ASSIGN(const auto links, netlink.links());
    const auto count = std::ranges::count(links, "vxlan", &Link::kind);
    Sizes sizes;
    sizes.slots = std::clamp(std::bit_ceil(static_cast<__u32>(2 * count + 64)), 256U,
                             static_cast<__u32>(XV_SLOTS));
    sizes.fdb = fdb_entries;
    sizes.remotes = remotes;
    TRY_ASSIGN(auto datapath, PrivateDatapath::make(cookie, sizes));
    TRY_ASSIGN(const int filter, datapath.program("xvtep_adopt_mirror"));
    TRY_ASSIGN(auto socket, MirrorSocket::open(filter));
    TRY_ASSIGN(auto signals, stop_signals());
    TRY_ASSIGN(const auto defaults, HostDefaults::read());
    return Service(request, cookie, std::move(netlink), std::move(place), std::move(datapath),
                   std::move(socket), std::move(signals), defaults)
        .run();
}

} // namespace xvtep::adopt
