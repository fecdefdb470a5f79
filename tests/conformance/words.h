// SPDX-License-Identifier: GPL-2.0-only
// The vocabulary of the cases: who is who, and frames in a few words.
#pragma once

#include "tests/conformance/case.h"
#include "tests/conformance/lab.h"
#include "tests/program/packet.h"

namespace xvtep::conformance {

using namespace xvtep::test; // the packet builder

// Behind the access port, and behind remote endpoints.
inline constexpr const char *A = "02:00:00:00:00:0a";
inline constexpr const char *B = "02:00:00:00:00:0b";
inline constexpr const char *C = "02:00:00:00:00:0c";
inline constexpr const char *D = "02:00:00:00:00:0d";
inline constexpr const char *broadcast = "ff:ff:ff:ff:ff:ff";
inline constexpr const char *multicast = "01:00:5e:01:02:03";
inline constexpr const char *zero_mac = "00:00:00:00:00:00";

// The endpoints on the wire are 192.0.2.N and fd08::N; 1 is the host.
inline const char *endpoint(unsigned n)
{
    static const char *const names[] = {"192.0.2.0", "192.0.2.1", "192.0.2.2",
                                        "192.0.2.3", "192.0.2.4", "192.0.2.5"};
    return names[n];
}
inline const char *endpoint6(unsigned n)
{
    static const char *const names[] = {"fd08::",  "fd08::1", "fd08::2",
                                        "fd08::3", "fd08::4", "fd08::5"};
    return names[n];
}
inline const char *endpoint_mac(unsigned n)
{
    static const char *const names[] = {"",
                                        sut_mac,
                                        "02:22:00:00:00:02",
                                        "02:22:00:00:00:03",
                                        "02:22:00:00:00:04",
                                        "02:22:00:00:00:05"};
    return names[n];
}

struct Outer {
    unsigned remote = 2;
    unsigned vni = 42;
    unsigned tos = 0, ttl = 64;
    bool df = false;
    bool sum = false; // UDP checksum; on IPv6 it is there unless `no_sum6`
    bool no_sum6 = false;
    unsigned label = 0;
    unsigned port = 4789;
    std::uint32_t flags = 0x08000000;
    unsigned reserved = 0;
    unsigned source_port = 50000;
};

inline Bytes vxlan(const Outer &o, const Bytes &inner)
{
    return Vxlan{.vni = o.vni, .flags = o.flags, .reserved = o.reserved} / inner;
}

inline Bytes with_label(Bytes packet, unsigned label)
{
    packet[1] = static_cast<std::uint8_t>((packet[1] & 0xf0) | label >> 16);
    packet[2] = static_cast<std::uint8_t>(label >> 8);
    packet[3] = static_cast<std::uint8_t>(label);
    return packet;
}

// What the host sends to a remote, around `inner`.
inline Bytes to_wire(const Bytes &inner, const Outer &o = {})
{
    const char *from = o.sum ? endpoint(1) : nullptr;
    return Ether{.dst = endpoint_mac(o.remote), .src = sut_mac} /
           (Ipv4{.src = endpoint(1),
                 .dst = endpoint(o.remote),
                 .tos = o.tos,
                 .ttl = o.ttl,
                 .fragment = o.df ? 0x4000U : 0} /
            (Udp{.src = 0, .dst = o.port, .from = from, .to = endpoint(o.remote)} /
             vxlan(o, inner)));
}
inline Bytes to_wire6(const Bytes &inner, const Outer &o = {})
{
    const char *from = o.no_sum6 ? nullptr : endpoint6(1);
    return Ether{.dst = endpoint_mac(o.remote), .src = sut_mac, .type = 0x86dd} /
           with_label(
               Ipv6{.src = endpoint6(1), .dst = endpoint6(o.remote), .tos = o.tos, .hops = o.ttl} /
                   (Udp{.src = 0, .dst = o.port, .from = from, .to = endpoint6(o.remote)} /
                    vxlan(o, inner)),
               o.label);
}

// What a remote sends to the host.
inline Bytes from_wire(const Bytes &inner, const Outer &o = {})
{
    const char *from = o.sum ? endpoint(o.remote) : nullptr;
    return Ether{.dst = sut_mac, .src = endpoint_mac(o.remote)} /
           (Ipv4{.src = endpoint(o.remote),
                 .dst = endpoint(1),
                 .tos = o.tos,
                 .ttl = o.ttl,
                 .fragment = o.df ? 0x4000U : 0} /
            (Udp{.src = o.source_port, .dst = o.port, .from = from, .to = endpoint(1)} /
             vxlan(o, inner)));
}
inline Bytes from_wire6(const Bytes &inner, const Outer &o = {})
{
    const char *from = o.no_sum6 ? nullptr : endpoint6(o.remote);
    return Ether{.dst = sut_mac, .src = endpoint_mac(o.remote), .type = 0x86dd} /
           (Ipv6{.src = endpoint6(o.remote), .dst = endpoint6(1), .tos = o.tos, .hops = o.ttl} /
            (Udp{.src = o.source_port, .dst = o.port, .from = from, .to = endpoint6(1)} /
             vxlan(o, inner)));
}

inline Out wire(const Bytes &inner, const Outer &o = {})
{
    return {Side::wire, to_wire(inner, o)};
}
inline Out wire6(const Bytes &inner, const Outer &o = {})
{
    return {Side::wire, to_wire6(inner, o)};
}
inline Out access(const Bytes &frame)
{
    return {Side::access, frame};
}
inline Out access2(const Bytes &frame)
{
    return {Side::access2, frame};
}
inline Out at_host(const Bytes &frame, std::optional<std::uint32_t> mark = {})
{
    return {Side::host, frame, mark};
}
// Both access ports: what the bridge floods.
inline std::vector<Out> flooded(const Bytes &frame)
{
    return {access(frame), access2(frame)};
}

// Inner frames.
struct Inner {
    unsigned tos = 0, ttl = 64;
    bool df = false;
    unsigned port = 7;
    std::optional<unsigned> vlan{};
    std::size_t size = 32; // of the UDP payload
};
inline Bytes v4(const char *dst, const char *src, const Inner &i = {})
{
    return Ether{.dst = dst, .src = src, .vlan = i.vlan} /
           (Ipv4{.tos = i.tos, .ttl = i.ttl, .fragment = i.df ? 0x4000U : 0} /
            (Udp{.src = 1000 + i.port, .dst = i.port} / payload(i.size)));
}
inline Bytes v6(const char *dst, const char *src, const Inner &i = {})
{
    return Ether{.dst = dst, .src = src, .type = 0x86dd, .vlan = i.vlan} /
           (Ipv6{.tos = i.tos, .hops = i.ttl} /
            (Udp{.src = 1000 + i.port, .dst = i.port, .from = "fd20::2", .to = "fd20::3"} /
             payload(i.size)));
}
inline Bytes other(const char *dst, const char *src, std::size_t size = 46)
{
    return Ether{.dst = dst, .src = src, .type = 0x88b6} / payload(size);
}
struct Arp {
    unsigned operation = 1;
    const char *sender_mac = A;
    const char *sender = "10.20.1.2";
    const char *target_mac = zero_mac;
    const char *target = "10.20.1.3";
};
inline Bytes arp(const char *dst, const char *src, const Arp &a = {})
{
    Bytes out;
    put32(out, 0x00010800);
    put32(out, 0x06040000 | a.operation);
    put(out, *Mac::parse(a.sender_mac));
    put(out, *Ip::parse(a.sender));
    put(out, *Mac::parse(a.target_mac));
    put(out, *Ip::parse(a.target));
    return Ether{.dst = dst, .src = src, .type = 0x0806} / out;
}

// An IPv4 frame of the wire in two, the first with `first` bytes behind its header.
inline std::vector<Bytes> halves(const Bytes &frame, std::size_t first)
{
    const auto part = [&](std::size_t from, std::size_t size, bool more) {
        Bytes out(frame.begin(), frame.begin() + 34);
        const auto begin = frame.begin() + static_cast<std::ptrdiff_t>(34 + from);
        out.insert(out.end(), begin, begin + static_cast<std::ptrdiff_t>(size));
        const std::size_t total = size + 20, offset = from / 8 | (more ? 0x2000U : 0U);
        out[16] = static_cast<std::uint8_t>(total >> 8);
        out[17] = static_cast<std::uint8_t>(total & 0xff);
        out[20] = static_cast<std::uint8_t>(offset >> 8);
        out[21] = static_cast<std::uint8_t>(offset & 0xff);
        out[24] = out[25] = 0;
        const unsigned sum = internet_checksum(Bytes(out.begin() + 14, out.begin() + 34));
        out[24] = static_cast<std::uint8_t>(sum >> 8);
        out[25] = static_cast<std::uint8_t>(sum & 0xff);
        return out;
    };
    return {part(0, first, true), part(first, frame.size() - 34 - first, false)};
}
inline std::vector<Out> fragments(const Bytes &frame, std::size_t first)
{
    std::vector<Out> out;
    for (Bytes &half : halves(frame, first))
        out.push_back({Side::wire, std::move(half)});
    return out;
}

inline Device device(std::string options = "")
{
    return {.options = std::move(options)};
}
inline Device device6(std::string options = "")
{
    return {.remote = "fd08::2", .local = "fd08::1", .options = std::move(options)};
}
inline Setup with(std::string options)
{
    return {.devices = {device(std::move(options))}};
}
inline Setup with6(std::string options = "")
{
    return {.devices = {device6(std::move(options))}};
}
inline Setup without_remote(std::string options = "")
{
    return {.devices = {{.remote = "", .options = std::move(options)}}};
}
inline Setup on_host(std::string options = "")
{
    return {.devices = {{.options = std::move(options), .bridge = ""}}};
}

} // namespace xvtep::conformance
