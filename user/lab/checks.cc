// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/checks.h"

#include <fmt/format.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "bpf/abi/wire.h"
#include "user/lab/agent_checks.h"
#include "user/lab/bridge_snapshot.h"
#include "user/lab/capture.h"
#include "user/lab/echo.h"
#include "user/lab/entries.h"
#include "user/lab/request_watch.h"
#include "user/lab/test_frame.h"
#include "user/net/netlink_socket.h"
#include "xvtep/stats.h"

namespace xvtep {

namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr unsigned warm_up_tries = 10;
constexpr milliseconds warm_up_timeout{500};
constexpr milliseconds ready_timeout{5000};
constexpr milliseconds poll_interval{20};
constexpr milliseconds frame_timeout{2000};
constexpr milliseconds quiet_time{100}; // in which a copy too many would come

std::string milliseconds_text(std::chrono::microseconds time)
{
    return fmt::format("{:.3f} ms", static_cast<double>(time.count()) / 1000);
}

// True as soon as `condition` is, within the time.
Result<bool> becomes_true(milliseconds time, const std::function<Result<bool>()> &condition)
{
    const auto deadline = steady_clock::now() + time;
    for (;;) {
        TRY_ASSIGN(const bool is_true, condition());
        if (is_true || steady_clock::now() >= deadline)
            return is_true;
        std::this_thread::sleep_for(poll_interval);
    }
}

// Whether a device of the calling thread's namespace receives a group.
bool in_group(const std::string &device, const Ip &group)
{
    std::ifstream file(group.is_v4() ? "/proc/thread-self/net/igmp"
                                     : "/proc/thread-self/net/igmp6");
    std::string line, name;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string first, second, third;
        words >> first >> second >> third;
        if (!group.is_v4()) {
            std::string digits;
            for (const std::uint8_t octet : group.octets)
                digits += fmt::format("{:02x}", octet);
            if (second == device && third == digits)
                return true;
        } else if (line[0] != '\t') {
            name = second;
        } else if (name == device && first.size() == 8 &&
                   Ip::v4(static_cast<std::uint32_t>(std::strtoul(first.c_str(), nullptr, 16))) ==
                       group) {
            return true;
        }
    }
    return false;
}

struct MainRoute {
    Prefix to;
    std::optional<Ip> via;
    int oif = 0;
};

std::optional<MainRoute> parse_route(const nlmsghdr &message)
{
    const auto *const header = payload<rtmsg>(message);
    if (message.nlmsg_type != RTM_NEWROUTE || !header || header->rtm_type != RTN_UNICAST)
        return std::nullopt;
    const Attributes attributes(message, sizeof(*header), RTA_MAX);
    if (attributes.get_or<std::uint32_t>(RTA_TABLE, header->rtm_table) != RT_TABLE_MAIN)
        return std::nullopt;
    const Ip any = header->rtm_family == AF_INET ? Ip::v4(0) : Ip{};
    return MainRoute{{attributes.ip(RTA_DST).value_or(any), header->rtm_dst_len},
                     attributes.ip(RTA_GATEWAY),
                     attributes.get_or<int>(RTA_OIF, 0)};
}

class Checker {
  public:
    Checker(const LabState &state, LabNodes &nodes)
        : state_(state), lab_(state.lab), nodes_(nodes), kernel_(kernel_hosts(state))
    {
    }

    std::vector<LabCheck> run()
    {
        watch_requests();
        check_ready();
        for (const LabCheckDescription &check : lab_.checks)
            std::visit([this](const auto &known) { run_check(known); }, check);
        if (lab_.checks.empty())
            add("the description has checks", false, "");
        return std::move(checks_);
    }

  private:
    void add(std::string what, bool passed, std::string detail)
    {
        checks_.push_back({std::move(what), passed, std::move(detail)});
    }
    // `attempt` gives the detail of a pass, or why not.
    void add(const std::string &what, const Result<std::string> &attempt)
    {
        add(what, attempt.has_value(), attempt ? *attempt : attempt.error().message());
    }
    static Failure failed(const std::string &object, const std::string &cause)
    {
        return system_failure("check", object, cause);
    }

    Result<Mac> mac_of(const LabDevice &device)
    {
        TRY_ASSIGN(const Link link, nodes_.at(device.node).netlink.link(device.device));
        return link.mac;
    }

    [[nodiscard]] bool is_kernels(const LabDevice &vtep) const
    {
        return kernel_.contains(vtep.node);
    }

    Result<Mac> mac_of(const LabMac &mac)
    {
        return mac.device ? mac_of(*mac.device) : Result<Mac>(mac.mac);
    }

    Result<int> index_of(const LabDevice &device)
    {
        TRY_ASSIGN(const Link link, nodes_.at(device.node).netlink.link(device.device));
        return link.index;
    }

    // Devices are up, with a carrier.
    void check_ready()
    {
        for (const LabHost &host : lab_.hosts)
            for (const LabVtep &vtep : host.vteps) {
                const std::string &name = vtep.request.name;
                const auto ready = becomes_true(ready_timeout, [&]() -> Result<bool> {
                    TRY_ASSIGN(const Link link, nodes_.at(host.name).netlink.link(name));
                    return (link.flags & IFF_UP) && (link.flags & IFF_RUNNING);
                });
                const std::string what = fmt::format("{} {} is up", host.name, name);
                if (ready)
                    add(what, *ready, "");
                else
                    add(what, false, ready.error().message());
            }
    }

    void for_each_address(const LabPair &pair,
                          const std::function<void(const std::string &from, const std::string &to,
                                                   const Ip &address)> &act)
    {
        const auto one_way = [&](const std::string &from, const std::string &to,
                                 const std::vector<Ip> &addresses) {
            for (const Ip &address : addresses.empty() ? lab_.overlay_addresses(to) : addresses)
                act(from, to, address);
        };
        one_way(pair.from, pair.to, pair.addresses);
        if (pair.both_ways)
            one_way(pair.to, pair.from, {});
    }

    // Until a first echo has its reply: neighbours and routes are found then. How many it took.
    Result<unsigned> warm_up(const std::string &from, const Ip &to)
    {
        std::string problem = "no reply";
        for (unsigned tries = 1; tries <= warm_up_tries; tries++) {
            TRY_ASSIGN(const EchoOutcome outcome,
                       send_echoes(nodes_.at(from).netns, {.to = to, .timeout = warm_up_timeout}));
            if (outcome.received == 1)
                return tries;
            if (!outcome.problem.empty()) {
                problem = outcome.problem;
                std::this_thread::sleep_for(poll_interval);
            }
        }
        return system_failure("ping", to.text(),
                              fmt::format("{} in {} tries", problem, warm_up_tries));
    }

    Result<Capture> capture_on(const LabDevice &device)
    {
        LabNode &node = nodes_.at(device.node);
        int index = 0;
        if (!device.device.empty()) {
            TRY_ASSIGN(const Link link, node.netlink.link(device.device));
            index = link.index;
        }
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        return Capture::open(index);
    }

    Result<std::string> ping(const PingCheck &check, const std::string &from, const std::string &to,
                             const Ip &address)
    {
        TRY_ASSIGN(const unsigned tries, warm_up(from, address));
        TRY_ASSIGN(Capture capture, capture_on({to, ""}));
        TRY_ASSIGN(const EchoOutcome outcome,
                   send_echoes(nodes_.at(from).netns,
                               {.to = address, .count = check.count, .size = check.size}));
        const unsigned lost = outcome.sent - outcome.received;
        std::string text = fmt::format("{} sent, {} received, {} % loss", outcome.sent,
                                       outcome.received, lost * 100 / outcome.sent);
        if (!outcome.problem.empty())
            text += ", " + outcome.problem;
        if (lost != 0)
            return failed("ping", text);
        text += ", best " + milliseconds_text(outcome.best);
        if (tries > 1)
            text += fmt::format(", after {} tries", tries);
        if (!check.ttl)
            return text;
        std::set<unsigned> ttls;
        for (const Frame &frame : capture.drain())
            if (const auto packet = parse_packet(frame.bytes);
                packet && !frame.outgoing && packet->to == address && packet->echo &&
                packet->echo->request && packet->echo->id == outcome.id)
                ttls.insert(packet->ttl);
        if (ttls != std::set<unsigned>{*check.ttl})
            return failed("TTL", ttls.empty()
                                     ? "no request seen arriving"
                                     : fmt::format("{}, not {}", *ttls.begin(), *check.ttl));
        return text + fmt::format(", arrived with TTL {}", *check.ttl);
    }

    void run_check(const PingCheck &check)
    {
        for_each_address(check.pair, [&](const auto &from, const auto &to, const Ip &address) {
            add(fmt::format("{} pings {} at {}, {} octets", from, to, address.text(), check.size),
                ping(check, from, to, address));
        });
    }

    Result<std::string> send_tcp(const TcpCheck &check, const std::string &from,
                                 const std::string &to, const Ip &address)
    {
        TRY_ASSIGN(const auto took,
                   transfer(nodes_.at(from).netns, nodes_.at(to).netns, address, check.bytes));
        const double rate = static_cast<double>(check.bytes) * 8 /
                            static_cast<double>(std::max<long>(took.count(), 1));
        return fmt::format("all as sent, {}, {:.0f} Mbit/s", milliseconds_text(took), rate);
    }

    void run_check(const TcpCheck &check)
    {
        for_each_address(check.pair, [&](const auto &from, const auto &to, const Ip &address) {
            add(fmt::format("{} sends {} {} octets over TCP to {}", from, to, check.bytes,
                            address.text()),
                send_tcp(check, from, to, address));
        });
    }

    Result<std::string> compare_mtu(const MtuCheck &check)
    {
        LabNode &node = nodes_.at(check.device.node);
        TRY_ASSIGN(const Link link, node.netlink.link(check.device.device));
        unsigned wanted = check.mtu.value_or(0);
        if (!check.below.empty()) {
            TRY_ASSIGN(const Link underlay, node.netlink.link(check.below));
            wanted = underlay.mtu - overhead(check.device);
        }
        if (link.mtu != wanted)
            return failed("MTU", fmt::format("{}, not {}", link.mtu, wanted));
        return fmt::format("{}", link.mtu);
    }

    // What the outer headers take of the underlay's MTU: the inner Ethernet header, not the outer.
    [[nodiscard]] unsigned overhead(const LabDevice &device) const
    {
        for (const LabVtep &vtep : lab_.host(device.node)->vteps)
            for (const auto &ip : {vtep.request.remote, vtep.request.group, vtep.request.local})
                if (vtep.request.name == device.device && ip)
                    return ip->is_v6() ? XV_OUTER_V6 : XV_OUTER_V4;
        return XV_OUTER_V4;
    }

    void run_check(const MtuCheck &check)
    {
        add(check.below.empty()
                ? fmt::format("MTU of {} is {}", check.device.text(), *check.mtu)
                : fmt::format("MTU of {} is that of {} less {}", check.device.text(), check.below,
                              overhead(check.device)),
            compare_mtu(check));
    }

    Result<std::string> find_route(const RouteCheck &check)
    {
        LabNode &node = nodes_.at(check.node);
        TRY_ASSIGN(const Link link, node.netlink.link(check.route.dev));
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY_ASSIGN(NetlinkSocket socket, NetlinkSocket::open());
        rtmsg header{};
        header.rtm_family = static_cast<std::uint8_t>(check.route.to.address.family());
        Message message(RTM_GETROUTE, 0, header);
        const auto routes = socket.dump<MainRoute>(message, parse_route);
        if (!routes)
            return errno_failure("list routes", "", routes.error().code);
        const auto is_it = [&](const MainRoute &route) {
            return route.to == check.route.to && route.via == check.route.via &&
                   route.oif == link.index;
        };
        if (std::ranges::none_of(*routes, is_it))
            return failed("route", "not there");
        return std::string();
    }

    void run_check(const RouteCheck &check)
    {
        add(fmt::format("{} has the route {}{} dev {}", check.node, check.route.to.text(),
                        check.route.via ? " via " + check.route.via->text() : "", check.route.dev),
            find_route(check));
    }

    Result<std::string> find_fdb(const FdbCheck &check)
    {
        LabNode &node = nodes_.at(check.device.node);
        const std::string &device = check.device.device;
        TRY_ASSIGN(const auto lines, list_fdb(node, device, is_kernels(check.device)));
        TRY_ASSIGN(const Mac mac, check.mac ? Result<Mac>(*check.mac) : mac_of(*check.mac_of));
        const auto is_it = [&](const FdbLine &line) {
            return line.mac == mac && line.dst == check.dst && line.learned == check.learned &&
                   (check.via.empty() || line.via == check.via);
        };
        if (std::ranges::none_of(lines, is_it))
            return failed("fdb", fmt::format("not among the {} there", lines.size()));
        return check.mac_of ? mac.text() : std::string();
    }

    void run_check(const FdbCheck &check)
    {
        add(fmt::format("fdb of {} has {}{} dst {}{} self{}", check.device.node,
                        check.mac ? check.mac->text() : "the MAC of " + check.mac_of->text(),
                        " dev " + check.device.device, check.dst.text(),
                        check.via.empty() ? "" : " via " + check.via,
                        check.learned ? "" : " permanent"),
            find_fdb(check));
    }

    // The echo requests that leave a port encapsulated, and how many leave it as they are.
    struct Seen {
        std::vector<Frame> frames; // the packets look into them
        std::vector<VxlanPacket> encapsulated;
        unsigned plain = 0;
    };

    Result<Seen> watch(const CaptureCheck &check)
    {
        TRY(warm_up(check.from, check.to));
        TRY_ASSIGN(Capture capture, capture_on(check.device));
        TRY_ASSIGN(const EchoOutcome outcome,
                   send_echoes(nodes_.at(check.from).netns, {.to = check.to, .count = 3}));
        if (outcome.received != outcome.sent)
            return failed("ping", "lost");
        const auto is_it = [&](const Packet &packet) {
            return packet.echo && packet.echo->request && packet.echo->id == outcome.id;
        };
        Seen seen{capture.drain(), {}, 0};
        for (const Frame &frame : seen.frames) {
            if (!frame.outgoing)
                continue;
            if (const auto packet = parse_vxlan(frame.bytes); packet && is_it(packet->inner))
                seen.encapsulated.push_back(*packet);
            else if (const auto plain = parse_packet(frame.bytes); plain && is_it(*plain))
                seen.plain++;
        }
        return seen;
    }

    // One line per property: each packet's is the one wanted.
    template <class T>
    void compare(const std::string &what, const Seen &seen, const T &wanted, auto &&property,
                 auto &&text)
    {
        for (const VxlanPacket &packet : seen.encapsulated)
            if (property(packet) != wanted) {
                add(what, false, fmt::format("{}, not {}", text(property(packet)), text(wanted)));
                return;
            }
        add(what, true, text(wanted));
    }
    void compare_mac(const std::string &where, const Seen &seen, const char *which,
                     const std::optional<LabDevice> &device, auto &&property)
    {
        if (!device)
            return;
        const std::string what = fmt::format("{}: {} is {}'s", where, which, device->text());
        if (const Result<Mac> mac = mac_of(*device))
            compare(what, seen, *mac, property, [](const Mac &value) { return value.text(); });
        else
            add(what, false, mac.error().message());
    }

    void run_check(const CaptureCheck &check)
    {
        const std::string where =
            fmt::format("{} pings {}, on {}", check.from, check.to.text(), check.device.text());
        const Result<Seen> seen = watch(check);
        if (!seen) {
            add(where, false, seen.error().message());
            return;
        }
        const std::size_t count = seen->encapsulated.size();
        const std::string counts = fmt::format("{} in VXLAN, {} plain", count, seen->plain);
        if (check.absent) {
            add(where + ": nothing of it passes", count == 0 && seen->plain == 0, counts);
            return;
        }
        add(where + ": 3 requests leave in VXLAN", count == 3 && seen->plain == 0, counts);
        if (count == 0)
            return;
        const auto number = [](auto value) { return fmt::format("{}", value); };
        if (check.vni)
            compare(
                where + ": VNI", *seen, *check.vni,
                [](const VxlanPacket &packet) { return packet.vni; }, number);
        if (check.dstport)
            compare(
                where + ": destination port", *seen, *check.dstport,
                [](const VxlanPacket &packet) { return packet.outer.udp->destination; }, number);
        if (check.df)
            compare(
                where + ": outer DF", *seen, *check.df,
                [](const VxlanPacket &packet) { return packet.outer.df; }, number);
        compare_mac(where, *seen, "inner source MAC", check.inner_source,
                    [](const VxlanPacket &packet) { return packet.inner.source; });
        compare_mac(where, *seen, "inner destination MAC", check.inner_destination,
                    [](const VxlanPacket &packet) { return packet.inner.destination; });
        compare_mac(where, *seen, "outer source MAC", check.outer_source,
                    [](const VxlanPacket &packet) { return packet.outer.source; });
        compare_mac(where, *seen, "outer destination MAC", check.outer_destination,
                    [](const VxlanPacket &packet) { return packet.outer.destination; });
    }

    // Puts the VTEPs back too where a comparison fails.
    Result<std::string> replug(const BridgeCheck &check)
    {
        LabNode &node = nodes_.at(check.host);
        const bool kernel = kernel_.contains(check.host);
        std::vector<const LabVtep *> vteps;
        std::vector<std::string> names;
        for (const LabVtep &vtep : lab_.host(check.host)->vteps)
            if (vtep.request.bridge == check.bridge) {
                vteps.push_back(&vtep);
                names.push_back(vtep.request.name);
            }
        TRY_ASSIGN(const BridgeSnapshot attached, snapshot_bridge(node, check.bridge, names));
        for (const LabVtep *const vtep : vteps)
            TRY(unplug_vtep(node, *vtep, kernel));
        const Result<BridgeSnapshot> detached = snapshot_bridge(node, check.bridge, {});
        for (const LabVtep *const vtep : vteps)
            TRY(plug_vtep(node, *vtep, kernel));
        TRY(detached);
        TRY_ASSIGN(const BridgeSnapshot again, snapshot_bridge(node, check.bridge, names));
        if (const std::string changed = difference(attached, *detached); !changed.empty())
            return failed("detach", changed);
        if (const std::string changed = difference(*detached, again); !changed.empty())
            return failed("attach", changed);
        return fmt::format("{} settings of it and its other ports compared", detached->size());
    }

    void run_check(const BridgeCheck &check)
    {
        add(fmt::format("{} {} is left as it was by detach and attach", check.host, check.bridge),
            replug(check));
    }

    Result<std::string> read_counts(const LabDevice &device)
    {
        TRY_ASSIGN(const Netns::Scope scope, nodes_.at(device.node).netns.enter());
        TRY_ASSIGN(const std::vector<Stats> stats, show_stats(device.device));
        for (const Stats &counts : stats)
            if (counts.vni) {
                const std::string text = fmt::format("{} packets received, {} sent",
                                                     counts.rx_packets, counts.tx_packets);
                if (counts.rx_packets == 0 || counts.tx_packets == 0)
                    return failed("counters", text);
                return text;
            }
        return failed("counters", "none of " + device.device);
    }

    void run_check(const CountedCheck &check)
    {
        if (!kernel_.contains(check.device.node))
            add(fmt::format("{} carries frames by xvtep's programs", check.device.text()),
                read_counts(check.device));
    }

    Result<std::string> replug(const GroupCheck &check)
    {
        LabNode &node = nodes_.at(check.device.node);
        const bool kernel = kernel_.contains(check.device.node);
        std::vector<const LabVtep *> vteps;
        for (const LabVtep &vtep : lab_.host(check.device.node)->vteps)
            if (vtep.request.group == check.group)
                vteps.push_back(&vtep);
        const auto is_member = [&](bool wanted) {
            return becomes_true(ready_timeout, [&]() -> Result<bool> {
                TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
                return in_group(check.device.device, check.group) == wanted;
            });
        };
        TRY_ASSIGN(const bool before, is_member(true));
        for (const LabVtep *const vtep : vteps)
            TRY(unplug_vtep(node, *vtep, kernel));
        const auto between = is_member(false);
        for (const LabVtep *const vtep : vteps)
            TRY(plug_vtep(node, *vtep, kernel));
        TRY_ASSIGN(const bool left, between);
        TRY_ASSIGN(const bool after, is_member(true));
        if (!before || !left || !after)
            return failed("group", !left ? "still in it when detached" : "not in it");
        return std::string("left at detach, joined at attach");
    }

    void run_check(const GroupCheck &check)
    {
        add(fmt::format("{} is in the group {} while attached", check.device.text(),
                        check.group.text()),
            replug(check));
    }

    // Captures on several devices, by what each is called.
    struct Ears {
        std::vector<std::pair<LabDevice, Capture>> captures;
    };

    Result<> listen(Ears &ears, const LabDevice &device)
    {
        for (const auto &[known, capture] : ears.captures)
            if (known.text() == device.text())
                return {};
        TRY_ASSIGN(Capture capture, capture_on(device));
        ears.captures.emplace_back(device, std::move(capture));
        return {};
    }

    // Where frames of the overlay end: containers, and VTEPs' devices that pass nothing on.
    [[nodiscard]] std::vector<LabDevice> ends() const
    {
        std::vector<LabDevice> found;
        for (const LabHost &host : lab_.hosts) {
            for (const LabContainer &container : host.containers)
                found.push_back({container.name, container.device});
            for (const LabVtep &vtep : host.vteps)
                if (vtep.request.bridge.empty() && vtep.ports.empty())
                    found.push_back({host.name, vtep.request.name});
        }
        return found;
    }
    [[nodiscard]] std::vector<LabDevice> underlays() const
    {
        std::vector<LabDevice> found;
        for (const LabHost &host : lab_.hosts)
            for (const LabVtep &vtep : host.vteps)
                for (const std::string &device : vtep.request.devices)
                    found.push_back({host.name, device});
        return found;
    }

    using Counts = std::map<std::string, unsigned>; // frames, by where

    static std::string text_of(const Counts &counts)
    {
        std::string text;
        for (const auto &[where, count] : counts)
            text += fmt::format("{}{} {}", text.empty() ? "" : ", ", count, where);
        return text.empty() ? "none" : text;
    }

    // Until `seen` is what is wanted, and no more comes for a while.
    static bool settles(const Counts &wanted, const std::function<Counts &()> &seen)
    {
        const auto deadline = steady_clock::now() + frame_timeout;
        while (seen() != wanted && steady_clock::now() < deadline)
            std::this_thread::sleep_for(poll_interval);
        std::this_thread::sleep_for(quiet_time);
        return seen() == wanted;
    }

    Result<std::uint64_t> counted(const FrameCheck &check)
    {
        TRY_ASSIGN(const Netns::Scope scope, nodes_.at(check.counted->node).netns.enter());
        TRY_ASSIGN(const std::vector<Stats> stats, show_stats(check.counted->device));
        for (const Stats &counts : stats)
            if (counts.ifname == check.counted->device)
                for (const auto *const group : {&counts.drops, &counts.passed})
                    for (const VerdictCount &verdict : *group)
                        if (verdict.name == check.reason)
                            return verdict.packets;
        return failed("counters", fmt::format("no {} at {}", check.reason, check.counted->text()));
    }

    Result<std::string> follow(const FrameCheck &check)
    {
        TRY_ASSIGN(const Mac source, mac_of(check.from));
        TRY_ASSIGN(const Mac destination, mac_of(check.to));
        TRY_ASSIGN(const int from, index_of(check.from));
        const TestFrame frame = make_test_frame(destination, source, check.vlan);
        Ears ears;
        TRY(listen(ears, check.from));
        for (const LabDevice &device : ends())
            TRY(listen(ears, device));
        const std::size_t first_underlay = ears.captures.size();
        for (const LabDevice &device : underlays())
            TRY(listen(ears, device));
        const std::size_t first_trunk = ears.captures.size();
        if (check.tagged)
            TRY(listen(ears, *check.tagged));
        std::uint64_t before = 0;
        const bool counts = check.counted && !kernel_.contains(check.counted->node);
        if (counts)
            TRY_SET(before, counted(check));

        Counts wanted, seen;
        for (const LabDevice &device : check.reaches)
            wanted["at " + device.text()] = 1;
        if (check.wire)
            for (const Ip &vtep : check.vteps)
                wanted[fmt::format("from {} to {}", check.wire->text(), vtep.text())] = 1;
        if (check.tagged)
            wanted[fmt::format("at {} in VLAN {}", check.tagged->text(), check.tag)] = 1;
        {
            TRY_ASSIGN(const Netns::Scope scope, nodes_.at(check.from.node).netns.enter());
            TRY(send_frame(from, frame.bytes));
        }
        const bool right = settles(wanted, [&]() -> Counts & {
            for (std::size_t i = 0; i < ears.captures.size(); i++) {
                auto &[device, capture] = ears.captures[i];
                const bool is_underlay = i >= first_underlay && i < first_trunk;
                for (const Frame &caught : capture.drain()) {
                    if (is_underlay) {
                        const auto packet = parse_encapsulated(caught.bytes);
                        if (caught.outgoing && check.wire && packet && frame.is_in(packet->inner))
                            seen[fmt::format("from {} to {}", device.text(),
                                             packet->outer.to.text())]++;
                    } else if (!caught.outgoing && frame.is_in(caught.bytes)) {
                        seen[i >= first_trunk ? fmt::format("at {} in VLAN {}", device.text(),
                                                            caught.vlan.value_or(0))
                                              : "at " + device.text()]++;
                    }
                }
            }
            return seen;
        });
        if (!right)
            return failed("copies", fmt::format("{}; wanted {}", text_of(seen), text_of(wanted)));
        if (counts) {
            TRY_ASSIGN(const std::uint64_t after, counted(check));
            if (after <= before)
                return failed("counters", fmt::format("{} is {} still", check.reason, after));
        }
        return text_of(seen);
    }

    void run_check(const FrameCheck &check)
    {
        std::string what = fmt::format("a frame from {} to {}", check.from.text(), check.to.text());
        if (check.vlan)
            what += fmt::format(" in VLAN {}", *check.vlan);
        if (check.reaches.empty())
            what += " reaches no one";
        else
            what +=
                check.reaches.size() == 1 ? " reaches one" : " reaches each of its listeners once";
        if (!check.reason.empty())
            what += fmt::format(", counted as {} at {}", check.reason, check.counted->text());
        add(what, follow(check));
    }

    Result<std::string> resolve(const ArpCheck &check)
    {
        TRY_ASSIGN(const Mac source, mac_of(check.from));
        TRY_ASSIGN(const Mac answer, mac_of(check.answer));
        TRY_ASSIGN(const int from, index_of(check.from));
        TRY_ASSIGN(const auto addresses, nodes_.at(check.from.node).netlink.addresses(from));
        const auto own = std::ranges::find_if(
            addresses, [](const Prefix &prefix) { return prefix.address.is_v4(); });
        if (own == addresses.end())
            return failed(check.from.text(), "has no IPv4 address");
        const TestFrame request = make_arp_request(source, own->address, check.to);
        TRY_ASSIGN(Capture here, capture_on(check.from));
        TRY_ASSIGN(Capture wire, capture_on(check.wire));
        {
            TRY_ASSIGN(const Netns::Scope scope, nodes_.at(check.from.node).netns.enter());
            TRY(send_frame(from, request.bytes));
        }
        Counts wanted, seen;
        for (const Ip &vtep : check.vteps)
            wanted["request to " + vtep.text()] = 1;
        if (!check.vteps.empty())
            wanted["reply by unicast"] = 1;
        wanted["answer " + answer.text()] = 1;
        const bool right = settles(wanted, [&]() -> Counts & {
            for (const Frame &caught : here.drain())
                if (const auto reply = parse_arp_reply(caught.bytes);
                    !caught.outgoing && reply && reply->ip == check.to)
                    seen["answer " + reply->mac.text()]++;
            for (const Frame &caught : wire.drain()) {
                const auto packet = parse_encapsulated(caught.bytes);
                if (!packet)
                    continue;
                if (caught.outgoing && request.is_in(packet->inner))
                    seen["request to " + packet->outer.to.text()]++;
                if (const auto reply = parse_arp_reply(packet->inner);
                    !caught.outgoing && reply && reply->ip == check.to)
                    seen[packet->outer.to.is_multicast() ? "reply by multicast"
                                                         : "reply by unicast"]++;
            }
            return seen;
        });
        if (!right)
            return failed("ARP", fmt::format("{}; wanted {}", text_of(seen), text_of(wanted)));
        return text_of(seen);
    }

    void run_check(const ArpCheck &check)
    {
        add(fmt::format("{} asks for {}, {} {}", check.from.text(), check.to.text(),
                        check.vteps.empty() ? "and nothing crosses" : "one copy to each VTEP on",
                        check.wire.text()),
            resolve(check));
    }

    Result<std::string> read_ageing(const AgeingCheck &check)
    {
        LabNode &node = nodes_.at(check.device.node);
        std::uint32_t ageing = 0, hard_ageing = 0;
        if (is_kernels(check.device)) {
            TRY_ASSIGN(const Link link, node.netlink.link(check.device.device));
            ageing = link.vxlan ? link.vxlan->ageing : 0;
        } else {
            TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
            TRY_ASSIGN(const auto vteps, list_vteps(check.device.device));
            for (const VtepInfo &vtep : vteps) {
                ageing = vtep.ageing;
                hard_ageing = vtep.hard_ageing;
            }
        }
        const std::string text = fmt::format("ageing {} hard_ageing {}", ageing, hard_ageing);
        const bool soft = !check.ageing || *check.ageing == ageing;
        // The kernel's have none.
        const bool hard =
            !check.hard_ageing || is_kernels(check.device) || *check.hard_ageing == hard_ageing;
        if (!soft || !hard)
            return failed("ageing", text);
        return text;
    }

    void run_check(const AgeingCheck &check)
    {
        std::string what = fmt::format("entries of {} age", check.device.text());
        if (check.ageing)
            what += fmt::format(", {} s unheard", *check.ageing);
        if (check.hard_ageing)
            what += fmt::format(", {} s in all", *check.hard_ageing);
        add(what, read_ageing(check));
    }

    Result<std::string> find_learned(const LabDevice &device)
    {
        TRY_ASSIGN(const auto lines,
                   list_fdb(nodes_.at(device.node), device.device, is_kernels(device)));
        for (const FdbLine &line : lines)
            if (line.learned)
                return failed("fdb", fmt::format("{} dst {}", line.mac.text(), line.dst.text()));
        return fmt::format("none of {} entries", lines.size());
    }

    void run_check(const NothingLearnedCheck &check)
    {
        add(fmt::format("{} has learned nothing", check.device.text()), find_learned(check.device));
    }

    void run_check(const FdbExpiresCheck &check)
    {
        const auto gone = [&]() -> Result<std::string> {
            TRY_ASSIGN(const Mac mac, mac_of(check.mac));
            const auto start = steady_clock::now();
            TRY_ASSIGN(const bool is_gone,
                       becomes_true(std::chrono::seconds(check.within), [&]() -> Result<bool> {
                           TRY_ASSIGN(const auto lines,
                                      list_fdb(nodes_.at(check.device.node), check.device.device,
                                               is_kernels(check.device)));
                           return std::ranges::none_of(
                               lines, [&](const FdbLine &line) { return line.mac == mac; });
                       }));
            if (!is_gone)
                return failed("fdb", "it is there still");
            return "after " +
                   milliseconds_text(std::chrono::duration_cast<std::chrono::microseconds>(
                       steady_clock::now() - start));
        };
        add(fmt::format("{} leaves the fdb of {} within {} s", check.mac.text(),
                        check.device.text(), check.within),
            gone());
    }

    void run_check(const NeighExpiresCheck &check)
    {
        if (is_kernels(check.device))
            return;
        const auto gone = [&]() -> Result<std::string> {
            LabNode &node = nodes_.at(check.device.node);
            TRY_ASSIGN(const bool is_gone,
                       becomes_true(std::chrono::seconds(check.within), [&]() -> Result<bool> {
                           TRY_ASSIGN(const bool there,
                                      has_neigh(node, check.device.device, check.ip));
                           return !there;
                       }));
            if (!is_gone)
                return failed("neigh", "it is there still");
            return std::string();
        };
        add(fmt::format("{} leaves the neighbours of {} within {} s", check.ip.text(),
                        check.device.text(), check.within),
            gone());
    }

    void add_step(const std::string &what, const Result<> &done)
    {
        add(what, done.has_value(), done ? "" : done.error().message());
    }

    void run_check(const FdbAddStep &step)
    {
        const auto mac = mac_of(step.mac);
        add_step(fmt::format("by hand: fdb add {} dev {} dst {}",
                             mac ? mac->text() : step.mac.text(), step.device.text(),
                             step.dst.text()),
                 mac ? add_fdb(nodes_.at(step.device.node), step.device.device, *mac, step.dst,
                               is_kernels(step.device))
                     : Result<>(std::unexpected(mac.error())));
    }

    void run_check(const NeighReplaceStep &step)
    {
        const auto mac = mac_of(step.mac);
        add_step(fmt::format("by hand: neigh replace {} lladdr {} dev {} nud {}", step.ip.text(),
                             mac ? mac->text() : step.mac.text(), step.device.text(),
                             step.state == NeighState::permanent ? "permanent" : "reachable"),
                 mac ? replace_neigh(nodes_.at(step.device.node), step.device.device,
                                     {step.ip, *mac, step.state}, is_kernels(step.device))
                     : Result<>(std::unexpected(mac.error())));
    }

    void run_check(const FdbFlushStep &step)
    {
        add_step(
            fmt::format("by hand: fdb flush dev {}", step.device.text()),
            flush_fdb(nodes_.at(step.device.node), step.device.device, is_kernels(step.device)));
    }

    void run_check(const NeighFlushStep &step)
    {
        const LabHost *const host = lab_.host(step.device.node);
        const bool vtep = host && std::ranges::any_of(host->vteps, [&](const LabVtep &known) {
                              return known.request.name == step.device.device;
                          });
        add_step(fmt::format("by hand: neigh flush dev {}", step.device.text()),
                 flush_neigh(nodes_.at(step.device.node), step.device.device,
                             vtep && !is_kernels(step.device)));
    }

    Result<std::string> await_miss(const MissCheck &check)
    {
        TRY_ASSIGN(const Mac mac, check.ip ? Result<Mac>(Mac{}) : mac_of(check.mac));
        TRY_ASSIGN(MissWatch watch, MissWatch::open(nodes_.at(check.device.node)));
        const auto deadline = steady_clock::now() + ready_timeout;
        unsigned pings = 0, others = 0;
        do {
            TRY(send_echoes(nodes_.at(check.from).netns,
                            {.to = check.to, .timeout = milliseconds(200)}));
            pings++;
            TRY_ASSIGN(const std::vector<LabMiss> misses, watch.drain());
            for (const LabMiss &miss : misses) {
                if (miss.device == check.device.device && miss.ip == check.ip &&
                    (check.ip || miss.mac == mac))
                    return fmt::format("after {} pings", pings);
                others++;
            }
        } while (steady_clock::now() < deadline);
        return failed("monitor",
                      fmt::format("not raised by {} pings, {} others were", pings, others));
    }

    void run_check(const MissCheck &check)
    {
        if (!is_kernels(check.device))
            add(fmt::format("{} pings {}: {} raises a miss for {}", check.from, check.to.text(),
                            check.device.text(), check.ip ? check.ip->text() : check.mac.text()),
                await_miss(check));
    }

    void run_check(const NoPingCheck &check)
    {
        const auto outcome = send_echoes(nodes_.at(check.from).netns,
                                         {.to = check.to, .count = 2, .timeout = warm_up_timeout});
        add(fmt::format("{} has no reply from {}", check.from, check.to.text()),
            outcome && outcome->received == 0,
            outcome ? fmt::format("{} sent, {} received", outcome->sent, outcome->received)
                    : outcome.error().message());
    }

    // Those checks that tell of the time before them.
    void watch_requests()
    {
        for (const LabCheckDescription &check : lab_.checks)
            if (const auto *const known = std::get_if<NoRequestsCheck>(&check))
                if (auto watch = RequestWatch::open(nodes_.at(known->node)))
                    requests_.insert_or_assign(known->node, std::move(*watch));
    }

    Result<std::string> count_requests(const NoRequestsCheck &check)
    {
        const auto watch = requests_.find(check.node);
        if (watch == requests_.end())
            return failed(check.node, "cannot be listened to");
        const RequestWatch::Counts counts = watch->second->counts();
        const std::string text =
            fmt::format("{} frames in VXLAN, {} ARP requests, {} solicitations", counts.frames,
                        counts.arp, counts.solicitations);
        if (counts.frames == 0 || counts.arp + counts.solicitations != 0)
            return failed("capture", text);
        return text;
    }

    void run_check(const NoRequestsCheck &check)
    {
        add(fmt::format("no ARP request and no solicitation has crossed {} in all this test",
                        check.node),
            count_requests(check));
    }

    void run_check(const NothingPreloadedCheck &)
    {
        add("nothing is preloaded: the VTEPs' tables are empty",
            check_nothing_preloaded(state_, nodes_));
    }

    void run_check(const FirstPingCheck &check)
    {
        add(fmt::format("the first ping from {} to {} passes", check.from, check.to),
            check_first_ping(state_, nodes_, check));
    }

    void run_check(const OnlyTalkersCheck &check)
    {
        std::string pairs;
        for (const auto &[one, other] : check.pairs)
            pairs += fmt::format("{}{} and {}", pairs.empty() ? "" : ", ", one, other);
        add("only who talks has entries: " + pairs, check_only_talkers(state_, nodes_, check));
    }

    void run_check(const MoveCheck &check)
    {
        add(fmt::format("{} moves to {} and back: {} follows within {} ms", check.container,
                        check.to, check.from, check.within),
            check_move(state_, nodes_, check));
    }

    void run_check(const OutageCheck &check)
    {
        add(fmt::format("{} is killed and started again",
                        check.host.empty() ? "the directory" : "the agent of " + check.host),
            check_outage(state_, nodes_, check));
    }

    const LabState &state_;
    const LabDescription &lab_;
    LabNodes &nodes_;
    const std::set<std::string> kernel_;
    std::vector<LabCheck> checks_;
    std::map<std::string, std::unique_ptr<RequestWatch>> requests_; // by switch
};

} // namespace

std::vector<LabCheck> run_checks(const LabState &state, LabNodes &nodes)
{
    return Checker(state, nodes).run();
}

} // namespace xvtep
