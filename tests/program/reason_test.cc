// SPDX-License-Identifier: GPL-2.0-only
// Each reason of bpf/abi/reasons.h has a case here that reaches it; the test fails without one.
#include <algorithm>
#include <functional>

#include "tests/program/program_case.h"

namespace xvtep::test {
namespace {

const Mac container = *Mac::parse("02:00:00:00:00:02");
const Mac far_mac = *Mac::parse("02:00:00:00:00:01");
const Mac zero;

class Reasons : public ProgramCase {
  protected:
    Bytes in_vxlan(const Vxlan &vxlan, const Bytes &inner, const Ipv4 &ip = ours(),
                   const Udp &udp = {})
    {
        mac_ = under.mac.text();
        return Ether{.dst = mac_.c_str()} / (ip / (udp / (vxlan / inner)));
    }

    static Ipv4 ours() { return {.src = "192.168.8.101", .dst = "192.168.8.100"}; }
    static Bytes inner(const Ether &ether = {})
    {
        return ether / (Ipv4{} / (Udp{.dst = 9} / payload(30)));
    }

    static Bytes too_big(unsigned fragment)
    {
        return Ether{} / (Ipv4{.fragment = fragment} / (Udp{.dst = 9} / payload(1472)));
    }

    Outcome decap(const Bytes &packet)
    {
        return tc(skeleton->progs.xvtep_tc_underlay_ingress, under, packet);
    }
    Outcome encap(const Bytes &frame, unsigned gso = 0)
    {
        return tc(skeleton->progs.xvtep_tc_device_egress, device, frame, gso);
    }
    Outcome from_port(const Bytes &frame)
    {
        return tc(skeleton->progs.xvtep_tc_port_ingress, port, frame);
    }

    void port_flags(unsigned flags, std::uint32_t slot = vtep_slot)
    {
        write(skeleton->maps.ports, port.index,
              xv_port{port_slot, slot, XV_MODE_TC, flags, 0, {}, 0, {}, 0});
    }

    std::map<int, std::function<Outcome()>> cases()
    {
        const std::string under_mac = under.mac.text();
        const auto to_us = [this, under_mac](unsigned type, const Bytes &rest) {
            return decap(Ether{.dst = under_mac.c_str(), .type = type} / rest);
        };
        return {
            {XV_NOT_IP, [=] { return to_us(0x0806, arp_request()); }},
            {XV_NOT_UDP, [=] { return to_us(0x0800, Ipv4{.proto = 6} / payload(20)); }},
            {XV_OTHER_PORT, [=] { return to_us(0x0800, Ipv4{} / (Udp{.dst = 53} / payload(20))); }},
            {XV_FRAGMENT,
             [=] { return to_us(0x0800, Ipv4{.fragment = 0x2000} / (Udp{} / payload(24))); }},
            {XV_IP_OPTIONS,
             [=] { return to_us(0x0800, Ipv4{.options = true} / (Udp{} / payload(24))); }},
            {XV_BAD_LENGTH,
             [=] { return to_us(0x0800, Ipv4{.length = 40} / (Udp{} / payload(24))); }},
            {XV_BAD_CHECKSUM,
             [=, this] {
                 Bytes packet = in_vxlan({}, inner());
                 packet.at(24) ^= 1;
                 return decap(packet);
             }},
            {XV_NOT_LOCAL,
             [=, this] {
                 return decap(in_vxlan({}, inner(), {.src = "1.1.1.1", .dst = "192.168.8.7"}));
             }},
            {XV_MARTIAN,
             [=, this] {
                 return decap(
                     in_vxlan({}, inner(), {.src = "192.168.8.100", .dst = "192.168.8.100"}));
             }},
            {XV_VXLAN_VNI_NOT_FOUND, [=, this] { return decap(in_vxlan({.vni = 43}, inner())); }},
            {XV_NO_UDP6_CSUM,
             [=, this] {
                 on_v6();
                 return decap(Ether{.dst = under_mac.c_str(), .type = 0x86dd} /
                              (Ipv6{.src = "fd08::101", .dst = "fd08::100"} /
                               (Udp{} / (Vxlan{} / inner()))));
             }},
            {XV_GSO,
             [=, this] {
                 return tc(skeleton->progs.xvtep_tc_underlay_ingress, under, in_vxlan({}, inner()),
                           100);
             }},
            {XV_TO_ADMIT,
             [=, this] {
                 entry(far_mac, "192.168.8.102", 0);
                 return decap(
                     in_vxlan({}, inner(), {.src = "192.168.8.102", .dst = "192.168.8.100"}));
             }},
            {XV_UNKNOWN_REMOTE,
             [=, this] {
                 vtep.flags |= XV_VTEP_ACCEPT_KNOWN;
                 write_vtep();
                 return decap(in_vxlan({}, inner()));
             }},
            {XV_TO_LEARN,
             [=, this] { return decap(in_vxlan({}, inner({.src = "02:00:00:00:00:09"}))); }},
            {XV_DEVICE_GONE,
             [=, this] {
                 const auto at = static_cast<__u32>(device.index);
                 EXPECT_EQ(bpf_map_delete_elem(bpf_map__fd(skeleton->maps.alive), &at), 0);
                 return decap(in_vxlan({}, inner()));
             }},
            {XV_FLOODED,
             [=, this] {
                 entry(zero, "192.168.8.101", XV_FDB_PERMANENT, 3);
                 Outcome run = encap(inner());
                 EXPECT_EQ(run.counted["tx"], 3U) << "a copy per destination";
                 run.counted.erase("tx");
                 return run;
             }},
            {XV_OVER_MTU,
             [=, this] {
                 entry(zero, "192.168.8.101");
                 return encap(too_big(0)); // without DF the kernel's device fragments it
             }},
            {XV_KERNEL_PATH,
             [=, this] {
                 vtep.flags |= XV_VTEP_UDPCSUM;
                 write_vtep();
                 entry(zero, "192.168.8.101");
                 return encap(Ether{} / (Ipv4{.proto = 132} / payload(40))); // SCTP
             }},
            {XV_TO_BRIDGE,
             [=, this] {
                 port_flags(XV_PORT_BRIDGED);
                 return from_port(inner());
             }},
            {XV_SWITCHED,
             [=, this] {
                 const std::string own = device.mac.text();
                 return from_port(inner({.dst = own.c_str()}));
             }},
            {XV_NO_VNI_FLAG, [=, this] { return decap(in_vxlan({.flags = 0}, inner())); }},
            {XV_RESERVED_BITS,
             [=, this] { return decap(in_vxlan({.flags = 0x08000001}, inner())); }},
            {XV_PKT_TOO_SMALL, [=, this] { return decap(in_vxlan({}, payload(13))); }},
            {XV_MAC_INVALID_SOURCE,
             [=, this] { return decap(in_vxlan({}, inner({.src = "01:00:00:00:00:01"}))); }},
            {XV_LOCAL_MAC,
             [=, this] {
                 const std::string own = device.mac.text();
                 return decap(in_vxlan({}, inner({.src = own.c_str()})));
             }},
            {XV_VXLAN_ENTRY_EXISTS,
             [=, this] {
                 entry(far_mac, "192.168.8.109", XV_FDB_STATIC);
                 return decap(in_vxlan({}, inner()));
             }},
            {XV_IP_TUNNEL_ECN,
             [=, this] {
                 Ipv4 ip = ours();
                 ip.tos = 3;
                 return decap(in_vxlan({}, inner(), ip));
             }},
            {XV_NO_TX_TARGET, [=, this] { return encap(inner()); }},
            {XV_PORT_COPY,
             [=, this] {
                 local_entry(container, XV_FDB_BRIDGED);
                 return encap(inner());
             }},
            {XV_HAIRPIN,
             [=, this] {
                 local_entry(container);
                 return from_port(inner());
             }},
            {XV_UNKNOWN_VLAN,
             [=, this] {
                 port_flags(XV_PORT_TRUNK, 0);
                 return from_port(inner());
             }},
            {XV_PKT_TOO_BIG,
             [=, this] {
                 entry(container, "192.168.8.101");
                 return encap(too_big(0x4000));
             }},
            {XV_PROXIED,
             [=, this] {
                 with(XV_VTEP_PROXY);
                 neighbour("10.20.1.3", container);
                 return encap(Ether{.dst = "ff:ff:ff:ff:ff:ff", .type = 0x0806} / arp_request());
             }},
            {XV_PROXY_SILENT,
             [=, this] {
                 with(XV_VTEP_PROXY);
                 entry(zero, "192.168.8.101");
                 return encap(Ether{.dst = "ff:ff:ff:ff:ff:ff", .type = 0x0806} / arp_request());
             }},
        };
    }

  private:
    std::string mac_;
};

// A test run cannot reach these: it takes no packet of 64 KiB, no helper fails in it, and its
// packets have no mark of another program.
constexpr int unreachable[] = {XV_OVERSIZE, XV_REWRITE_FAILED, XV_KERNEL_TABLE, XV_MISDIRECTED};

TEST_F(Reasons, EachIsReachedAndCountedOnce)
{
    const std::map<int, const char *> names = {
#define X(name, text, meaning) {XV_##name, text},
        XV_PASSED_REASONS(X) XV_DROPPED_REASONS(X)
#undef X
    };
    const auto table = cases();
    const xv_vtep fresh = vtep;
    for (const auto &[reason, name] : names) {
        SCOPED_TRACE(name);
        if (std::ranges::count(unreachable, reason) != 0)
            continue;
        ASSERT_TRUE(table.contains(reason)) << "no case reaches it";
        skeleton.reset(xvtep_bpf__open_and_load());
        ASSERT_TRUE(skeleton);
        vtep = fresh;
        write_vtep();
        write(skeleton->maps.underlays, under.index,
              xv_underlay{underlay_slot, XV_MODE_XDP, 0, 0, {}, 0, 0});
        write(skeleton->maps.ports, port.index,
              xv_port{port_slot, vtep_slot, XV_MODE_TC, 0, 0, {}, 0, {}, 0});
        entry(far_mac, "192.168.8.101", 0);
        admitted(*Ip::parse("192.168.8.101"));
        const Outcome run = table.at(reason)();
        EXPECT_EQ(run.counted, (std::map<std::string, std::uint64_t>{{name, 1}}));
        if (reason == XV_SWITCHED || reason == XV_PROXIED || reason == XV_PKT_TOO_BIG)
            EXPECT_EQ(run.action, tc_redirect);
        else
            EXPECT_EQ(run.action, reason >= XV_FIRST_DROPPED && reason != XV_NO_TX_TARGET
                                      ? tc_shot
                                      : tc_pass); // the kernel's device drops it, or has an entry
    }
}

TEST_F(Reasons, ExpiredEntriesAreNoDestination)
{
    entry(container, "192.168.8.101", 0, 1, 301'000'000'000ULL);
    EXPECT_EQ(encap(inner()).counted.count("no_tx_target"), 1U);
    EXPECT_FALSE(found(container)) << "removed when met";
}

} // namespace
} // namespace xvtep::test
