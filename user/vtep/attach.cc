// SPDX-License-Identifier: GPL-2.0-only
#include <arpa/inet.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "bpf/abi/wire.h"
#include "user/base/undo.h"
#include "user/net/nftables.h"
#include "user/net/xfrm.h"
#include "user/vtep/bridge.h"
#include "user/vtep/clock.h"
#include "user/vtep/device.h"
#include "user/vtep/device_programs.h"
#include "user/vtep/fdb_writer.h"
#include "user/vtep/grow.h"
#include "user/vtep/indexes.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/record.h"
#include "user/vtep/remote_table.h"
#include "user/vtep/route_queries.h"
#include "user/vtep/session.h"
#include "user/vtep/slots.h"
#include "user/vtep/source.h"
#include "user/vtep/teardown.h"
#include "user/vtep/underlay.h"
#include "user/vtep/vni_table.h"
#include "user/vtep/vtep.h"
#include "xvtep/option.h"
#include "xvtep/vtep.h"

namespace xvtep {
namespace {

// A MAC that the kernel makes is marked as random, and udev (MACAddressPolicy) replaces it later.
Mac random_mac()
{
    std::random_device random;
    Mac mac;
    for (std::uint8_t &octet : mac.octets)
        octet = static_cast<std::uint8_t>(random());
    mac.octets[0] = static_cast<std::uint8_t>((mac.octets[0] & 0xfc) | 0x02); // unicast, local
    return mac;
}

// Attaches in steps. Each step pushes what takes it back.
class Attachment {
  public:
    Attachment(Session &session, const AttachRequest &request)
        : session_(session), request_(request)
    {
    }

    Result<VtepInfo> run()
    {
        TRY(find_ports());
        TRY(choose_addresses());
        TRY(refuse_duplicates());
        if (!session_.tables)
            undo_.push([this] { (void)release_empty_datapath(session_); });
        TRY(session_.need_tables(first_sizes()));
        if (request_.fdb_size > session_.tables->sizes().fdb)
            TRY(grow(session_, &Sizes::fdb, request_.fdb_size));
        if (!session_.resources->host.route_queries_allowed)
            TRY(session_.wrap(allow_route_queries(session_)));
        session_.resources->host.route_queries_allowed = true;
        TRY(take_slot());
        TRY(attach_ports());
        TRY(make_device());
        if (!request_.bridge.empty())
            TRY_SET(bridge_, join_bridge(session_, request_.bridge, device_.index, undo_));
        TRY(session_.wrap(add_to_bridge(session_, bridge_.index, device_.index, request_.vnis)));
        TRY(session_.wrap(write_tables()));
        TRY(bring_up());
        TRY_ASSIGN(auto made, read_back());
        undo_.commit();
        return made;
    }

  private:
    Result<> find_ports()
    {
        if (is_routed())
            TRY_SET(ports_, ports_of_routes(session_, request_));
        for (const auto &name : request_.devices) {
            auto link = session_.netlink.link(name);
            if (!link)
                return system_failure("attach", name, link.error().cause, link.error().code);
            const bool xdp = request_.mode == Mode::xdp || request_.mode == Mode::skb;
            if (xdp && !link->has_ethernet_header())
                return system_failure("attach", name,
                                      fmt::format("mode {} needs an Ethernet device (this one has "
                                                  "mode tc)",
                                                  mode_name(request_.mode)),
                                      EINVAL);
            ports_.push_back(std::move(*link));
        }
        return {};
    }

    [[nodiscard]] bool wants_v6() const
    {
        for (const auto &ip : {request_.local, request_.remote, request_.group})
            if (ip)
                return ip->is_v6();
        return false;
    }

    Result<> choose_addresses()
    {
        if (request_.local) {
            local_ = *request_.local;
            v6_ = local_.is_v6();
            return {};
        }
        std::vector<__u32> ports;
        for (const auto &port : ports_)
            ports.push_back(static_cast<__u32>(port.index));
        Way way{.remote = request_.remote, .ports = ports, .routed = is_routed()};
        if (request_.remote || request_.group)
            way.v6 = wants_v6();
        TRY_SET(local_, choose_source(session_, way));
        v6_ = local_.is_v6();
        // Without an address, the kernel sends nothing to a link-local one.
        follows_ = !local_.is_link_local();
        return {};
    }

    Result<> refuse_duplicates()
    {
        if (!session_.tables)
            return {};
        if (!request_.vnis.empty()) {
            xv_vtep device{};
            device.dstport = htons(request_.dstport);
            TRY(refuse_taken_vnis(session_, device, request_.vnis));
        }
        const xv_vni_key same{request_.vni, htons(request_.dstport), 0};
        TRY_ASSIGN(const auto slot, session_.wrap(session_.tables->vnis.look_up(same)));
        if (slot) {
            TRY_ASSIGN(const auto vtep, session_.wrap(session_.tables->vteps.look_up(*slot)));
            return session_.refused(fmt::format("VNI {} on port {} is attached already ({})",
                                                request_.vni, request_.dstport,
                                                vtep ? vtep->name : ""),
                                    EEXIST);
        }
        for (const auto &port : ports_) {
            const auto key = static_cast<__u32>(port.index);
            TRY_ASSIGN(const auto underlay, session_.wrap(session_.tables->underlays.look_up(key)));
            if (underlay && request_.mode != Mode::automatic &&
                to_table_mode(request_.mode) != underlay->mode)
                return session_.refused(
                    fmt::format("the mode of {} is {} already, for all its VNIs", port.name,
                                mode_name(from_table_mode(underlay->mode))),
                    EBUSY);
            TRY_ASSIGN(const auto local, session_.wrap(session_.tables->ports.look_up(key)));
            if (local)
                return session_.refused(port.name + " is a local port already", EBUSY);
        }
        return {};
    }

    // What has room for all that is known to come, or each growth would load the programs anew.
    [[nodiscard]] Sizes first_sizes() const
    {
        const auto slots =
            static_cast<__u32>(1 + vteps_of_batch() + request_.devices.size()); // 0 is none
        Sizes sizes;
        if (slots > sizes.slots)
            sizes =
                grown(sizes, &Sizes::slots, std::min(slots, largest_sizes.slots)).value_or(sizes);
        if (request_.fdb_size > sizes.fdb)
            sizes = grown(sizes, &Sizes::fdb, request_.fdb_size).value_or(sizes);
        return sizes;
    }

    Result<> take_slot()
    {
        TRY_SET(vtep_.slot, free_slot(session_));
        undo_.push([this] { give_back_slot(session_, vtep_.slot); });
        return {};
    }

    Result<> attach_ports()
    {
        for (const auto &port : ports_) {
            const auto key = static_cast<__u32>(port.index);
            TRY_ASSIGN(const auto there, session_.wrap(session_.tables->underlays.look_up(key)));
            if (there)
                continue;
            undo_.push([this] { (void)release_unused_underlays(session_); });
            TRY(attach_underlay(session_, port, request_.mode));
        }
        return {};
    }

    [[nodiscard]] bool is_routed() const { return request_.devices.empty(); }

    // The port that the VTEP is bound to, or 0.
    [[nodiscard]] int bound_port() const
    {
        return ports_.size() == 1 && !is_routed() ? ports_[0].index : 0;
    }

    // The request with what attach chose for the options that were not given.
    [[nodiscard]] AttachRequest chosen() const
    {
        AttachRequest chosen = request_;
        chosen.local = local_;
        chosen.udpcsum = request_.udpcsum.value_or(v6_);
        if (chosen.ttl.value == 0)
            chosen.ttl.value = default_ttl(v6_);
        return chosen;
    }

    // The options of the kernel's device: what the programs do is off there.
    [[nodiscard]] VxlanOptions device_options() const
    {
        VxlanOptions options{chosen()};
        for (const AttachOption &option : attach_options())
            if (option.kernel.by_programs)
                (void)set_option(options, option, option_value(AttachRequest(), option));
        options.ttl = request_.ttl;
        if (follows_)
            options.local = no_address(v6_);
        options.ageing = kernel_ageing(request_.ageing);
        options.lower = bound_port();
        if (has_many()) { // each VNI has its own
            options.external = options.vnifilter = true;
            options.remote.reset();
            options.group.reset();
        }
        return options;
    }

    Result<> make_device()
    {
        VxlanOptions options = device_options();
        NewLink link{.name = name(),
                     .mac = request_.mac ? *request_.mac : random_mac(),
                     .mtu = request_.mtu};
        link.group = unfinished_group;
        const unsigned overhead = v6_ ? XV_OUTER_V6 : XV_OUTER_V4;
        const unsigned fits = std::ranges::min(ports_, {}, &Link::mtu).mtu - overhead;
        if (!link.mtu && bound_port() == 0)
            link.mtu = fits;
        // The kernel silently lowers the MTU of a device that is bound to a port.
        if (link.mtu > fits && request_.group)
            return session_.refused(
                fmt::format("mtu {} is over {}, the most with a group", *link.mtu, fits), EINVAL);
        if (link.mtu > fits)
            options.lower = 0;
        auto made = session_.netlink.add_vxlan(link, options);
        if (!made)
            return refuse_device(made.error());
        const int index = *made;
        undo_.push([this, index] { (void)session_.netlink.delete_link(index); });
        auto device = session_.netlink.link(index);
        if (!device)
            return session_.wrap(device.error());
        device_ = std::move(*device);
        return {};
    }

    // Says what takes the place of the device that the kernel refused to make.
    Failure refuse_device(const Error &error)
    {
        const auto links = session_.netlink.links();
        if (error.code != EEXIST || !links)
            return session_.wrap(error);
        if (const auto taken = std::ranges::find(*links, name(), &Link::name);
            taken != links->end())
            return session_.refused(fmt::format("the name {} is taken by {} ({})", taken->name,
                                                kind_text(*taken),
                                                advice("choose another with name", *taken)),
                                    EEXIST);
        for (const Link &other : *links)
            if (other.vxlan && !has_many() && other.vxlan->vni == request_.vni &&
                other.vxlan->dstport == request_.dstport)
                return session_.refused(
                    fmt::format("VNI {} on port {} is taken by the kernel's device {} ({})",
                                request_.vni, request_.dstport, other.name,
                                advice("choose another port with dstport", other)),
                    EEXIST);
        return session_.wrap(error);
    }

    // Returns the error of a device that cannot be set up. If another socket holds the UDP port,
    // the error names the kernel's device or the program that holds it.
    Failure refuse_port(const Error &error)
    {
        const auto links = session_.netlink.links();
        if (error.code != EADDRINUSE || !links)
            return session_.wrap(error);
        for (const Link &other : *links)
            if (other.index != device_.index && other.vxlan && other.is_up() &&
                other.vxlan->dstport == request_.dstport)
                return session_.refused(fmt::format("port {} is taken by the kernel's device {} "
                                                    "({})",
                                                    request_.dstport, other.name,
                                                    advice("choose another with dstport", other)),
                                        EADDRINUSE);
        return session_.refused(fmt::format("port {} is taken by another program (choose another "
                                            "with dstport)",
                                            request_.dstport),
                                EADDRINUSE);
    }

    [[nodiscard]] bool is_own_vtep(const Link &link) const
    {
        const auto vtep = session_.vtep_of_device(link.index);
        return vtep && *vtep;
    }

    [[nodiscard]] std::string kind_text(const Link &link) const
    {
        if (is_own_vtep(link))
            return "a VTEP of xvtep";
        return link.kind.empty() ? "a network device" : "a " + link.kind + " device";
    }

    // Adds how to remove the device that is in the way. The removal of anything but a tunnel that
    // the request does not stand on would do harm.
    [[nodiscard]] std::string advice(const std::string &alternative, const Link &link) const
    {
        const bool is_underlay = std::ranges::count(ports_, link.index, &Link::index) != 0;
        if (!link.vxlan || is_underlay)
            return alternative;
        return fmt::format("{}, or remove it: {} {}", alternative,
                           is_own_vtep(link) ? "xvtep detach" : "ip link del", link.name);
    }

    Result<> write_tables()
    {
        Tables &tables = *session_.tables;
        fill_vtep();
        add_fdb_count(tables, vtep_.slot, -static_cast<std::int64_t>(tables.fdb_count[vtep_.slot]));
        undo_.push([this] { (void)remove_vteps(session_, {&vtep_, 1}); });
        TRY(tables.vteps.put(vtep_.slot, vtep_));
        TRY(tables.mark_alive(vtep_.ifindex));
        TRY(tables.devices.put(vtep_.ifindex, vtep_.slot));
        TRY(attach_device_programs(session_, device_));
        if (has_many())
            return make_vnis(session_, vtep_, request_.vnis);
        TRY(write_default(session_, vtep_, static_cast<__u32>(bound_port())));
        TRY(tables.vnis.put({vtep_.vni, vtep_.dstport, 0}, vtep_.slot));
        return add_lookups(session_, vtep_); // from here on packets are decapsulated
    }

    void fill_vtep()
    {
        write_options(vtep_, chosen());
        vtep_.ifindex = static_cast<__u32>(device_.index);
        vtep_.flags |= flag_if(bridge_.made, XV_VTEP_MADE_BRIDGE) |
                       flag_if(has_many(), XV_VTEP_DEVICE) | flag_if(follows_, XV_VTEP_LOCAL_AUTO) |
                       flag_if(is_routed(), XV_VTEP_ROUTED);
        std::ranges::copy(device_.mac.octets, vtep_.mac);
        set_name(vtep_, device_.name);
        std::ranges::copy(ports_.front().mac.octets, vtep_.underlay_mac);
        vtep_.nonce = static_cast<__u16>(session_.cookie);
        vtep_.bridge = static_cast<__u32>(bridge_.index);
        vtep_.underlay_count = static_cast<__u16>(ports_.size());
        for (std::size_t i = 0; i < ports_.size(); i++)
            vtep_.underlays[i] = static_cast<__u32>(ports_[i].index);
    }

    Result<> bring_up()
    {
        if (bridge_.made)
            if (auto up = session_.netlink.change_link(bridge_.index, {.up = true, .group = 0U});
                !up)
                return session_.wrap(up.error());
        if (auto up = session_.netlink.change_link(device_.index, {.up = true, .group = 0U}); !up)
            return refuse_port(up.error());
        return {};
    }

    Result<VtepInfo> read_back()
    {
        auto device = session_.netlink.link(device_.index);
        if (!device)
            return session_.wrap(device.error());
        std::vector<Link> links = ports_;
        links.push_back({.index = bridge_.index, .name = request_.bridge});
        links.push_back(std::move(*device));
        std::ranges::sort(links, {}, &Link::index);
        TRY_ASSIGN(auto made, session_.wrap(describe(session_, vtep_, links)));
        HostFacts &host = session_.resources->host;
        if (!host.ipsec)
            TRY_SET(host.ipsec, has_ipsec_policies());
        made.ipsec = *host.ipsec;
        auto rule = host.rules.find(request_.dstport);
        if (rule == host.rules.end())
            rule = host.rules
                       .emplace(request_.dstport,
                                find_rule_for_udp_port(request_.dstport).value_or(""))
                       .first;
        made.filter_rule = rule->second;
        return made;
    }

    [[nodiscard]] std::string name() const
    {
        const auto vni = has_many() ? request_.vnis.front().first : request_.vni;
        return request_.name.empty() ? fmt::format("xvtep{}", vni) : request_.name;
    }

    [[nodiscard]] bool has_many() const { return !request_.vnis.empty(); }

    Session &session_;
    const AttachRequest &request_;
    std::vector<Link> ports_;
    Ip local_;
    bool v6_ = false;
    bool follows_ = false; // local_ was not given
    Link device_;
    JoinedBridge bridge_;
    xv_vtep vtep_{};
    Undo undo_;
};

} // namespace

Result<VtepInfo> attach(const AttachRequest &request)
{
    TRY(validate(request));
    const std::string object = request.devices.empty()
                                   ? fmt::format("VNI {}", request.vni)
                                   : fmt::format("{}", fmt::join(request.devices, " "));
    TRY_ASSIGN(auto session, Session::writer("attach", object, LockScope::batch));
    return Attachment(session, request).run();
}

} // namespace xvtep
