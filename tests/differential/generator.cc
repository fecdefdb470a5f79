// SPDX-License-Identifier: GPL-2.0-only
#include "tests/differential/generator.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "tests/differential/twin.h"

namespace xvtep::differential {
namespace {

// linux/virtio_net.h, which is no header for C++.
constexpr std::uint8_t needs_checksum = 1;
constexpr std::uint8_t gso_none = 0, gso_tcp4 = 1, gso_tcp6 = 4, gso_udp = 5, gso_ecn = 0x80;

void add(Bytes &to, const Bytes &more)
{
    to.insert(to.end(), more.begin(), more.end());
}

void add8(Bytes &to, unsigned value)
{
    to.push_back(static_cast<std::uint8_t>(value));
}

void add16(Bytes &to, unsigned value)
{
    add8(to, value >> 8 & 0xff);
    add8(to, value & 0xff);
}

void add32(Bytes &to, std::uint32_t value)
{
    add16(to, value >> 16);
    add16(to, value & 0xffff);
}

Bytes mac_of(const char *text)
{
    const Mac mac = *Mac::parse(text);
    return {mac.octets.begin(), mac.octets.end()};
}

Bytes underlay4(unsigned last)
{
    return {192, 0, 2, static_cast<std::uint8_t>(last)};
}

Bytes underlay6(unsigned last)
{
    Bytes a(16);
    a[0] = 0xfd;
    a[1] = 0x08;
    a[15] = static_cast<std::uint8_t>(last);
    return a;
}

// The checksum of a segment with the pseudo-header.
std::uint16_t segment_checksum(const Bytes &source, const Bytes &target, unsigned protocol,
                               const Bytes &segment)
{
    Bytes all = source;
    add(all, target);
    add32(all, static_cast<std::uint32_t>(segment.size()));
    add32(all, protocol);
    add(all, segment);
    return checksum(all);
}

std::size_t checksum_offset(unsigned protocol)
{
    return protocol == 6 ? 16 : protocol == 17 ? 6 : 2;
}

} // namespace

void Generator::put(Side side, Bytes bytes, std::string what, const Shape &shape)
{
    Frame frame{.side = side, .bytes = std::move(bytes), .shape = shape, .what = std::move(what)};
    if (side == Side::host && random_.chance(500))
        frame.mark = random_.chance(500) ? random_.below(0x10000)
                                         : static_cast<std::uint32_t>(random_.next());
    queue_.push_back(std::move(frame));
}

Frame Generator::next()
{
    while (queue_.empty()) {
        if (variant_.gro && random_.chance(250))
            train();
        else if (random_.chance(550))
            wire_frame();
        else
            container_frame();
    }
    Frame frame = std::move(queue_.front());
    queue_.pop_front();
    // A host drops a frame with less than two bytes behind its tag before anybody sees it, but the
    // access port that stands for the trunk of the kernel's twin would take it without the tag.
    if (frame.side == Side::trunk && frame.bytes.size() >= 16 && frame.bytes.size() < 20)
        frame.bytes.resize(20);
    return frame;
}

// A MAC of those that both sides know. Most stay where they are.
Bytes Generator::mac(Side from, bool source)
{
    Bytes mac{0x02, 0x20, 0, 0, 0, static_cast<std::uint8_t>(1 + random_.below(4))};
    const unsigned kind = random_.below(1000);
    const auto place = [&](Side side) {
        static constexpr std::array<std::uint8_t, sides> second{0x30, 0x20, 0x21, 0x23, 0x24, 0x25};
        mac[1] = second[static_cast<std::size_t>(side)];
        if (side == Side::wire)
            mac[5] = static_cast<std::uint8_t>(random_.below(12));
    };
    static constexpr Side all[]{Side::wire, Side::wire, Side::c0,    Side::c1,
                                Side::c2,   Side::host, Side::trunk, Side::wire};
    if (source) {
        place(from);
        // A local port learns its busiest source once a tick, which is waited for: few moves.
        if (kind < (variant_.layout == Layout::bridge || variant_.layout == Layout::host ? 40 : 7))
            place(random_.of(all)); // has moved
        else if (kind < 50)
            mac = mac_of(device_mac);
        else if (kind < 55 && !members())
            mac = mac_of(bridge_mac);
        else if (kind < 65)
            mac = mac_of(random_.chance(500) ? "02:31:00:00:00:01" : "02:31:00:00:00:02");
        else if (kind < 70)
            mac = Bytes(6);
        else if (kind < 75)
            mac = Bytes(6, 0xff);
        else if (kind < 80)
            mac = mac_of("01:00:5e:01:02:03");
        else if (kind < 90)
            for (std::size_t i = 1; i < 6; i++)
                mac[i] = static_cast<std::uint8_t>(random_.next());
        return mac;
    }
    if (kind < 720)
        place(random_.of(all));
    else if (kind < 790)
        mac = mac_of(random_.chance(500) ? "02:31:00:00:00:01" : "02:31:00:00:00:02");
    else if (kind < 870)
        mac = Bytes(6, 0xff);
    else if (kind < 890)
        mac = mac_of("01:00:5e:01:02:03");
    else if (kind < 910)
        mac = mac_of("33:33:00:00:00:01");
    else if (kind < 920) // the first 16 are a bridge's own, and members of a VTEP have no bridge
        mac = {0x01,
               0x80,
               0xc2,
               0,
               0,
               static_cast<std::uint8_t>(members() ? 16 + random_.below(32) : random_.below(48))};
    else if (kind < 930)
        mac = Bytes(6);
    else if (kind < 945)
        mac = mac_of(device_mac);
    else if (kind < 960 && !members())
        mac = mac_of(bridge_mac);
    else
        for (std::size_t i = 1; i < 6; i++)
            mac[i] = static_cast<std::uint8_t>(random_.next());
    return mac;
}

Bytes Generator::address(bool v6)
{
    static constexpr unsigned last[]{0x31, 0x32, 0x33, 0x41, 0x42, 0xff, 0x01};
    const auto host = static_cast<std::uint8_t>(random_.of(last));
    const unsigned kind = random_.below(100);
    if (!v6) {
        Bytes a{10, 20, 1, host};
        if (kind == 0)
            a = {0, 0, 0, 0};
        else if (kind == 1)
            a = {127, 0, 0, 1};
        else if (kind == 2)
            a = {239, 1, 2, 3};
        else if (kind == 3)
            a = {255, 255, 255, 255};
        return a;
    }
    Bytes a(16);
    a[0] = 0xfd;
    a[1] = 0x20;
    a[15] = host;
    if (kind == 0)
        a = Bytes(16);
    else if (kind == 1) {
        a[0] = 0xff;
        a[1] = 0x02;
    } else if (kind == 2) {
        a[0] = 0xfe;
        a[1] = 0x80;
    }
    return a;
}

std::size_t Generator::size()
{
    const unsigned kind = random_.below(100), mtu = variant_.mtu;
    if (kind < 60)
        return random_.below(120);
    if (kind < 90)
        return random_.below(1200);
    if (kind < 97)
        return mtu - 50 - random_.below(120);
    return random_.below(mtu);
}

Bytes Generator::arp(std::string &what)
{
    what += " arp";
    Bytes b;
    add16(b, random_.chance(950) ? 1 : random_.below(8));
    add16(b, random_.chance(950) ? 0x0800 : 0x86dd);
    add8(b, random_.chance(960) ? 6 : random_.below(20));
    add8(b, random_.chance(960) ? 4 : random_.below(20));
    add16(b, random_.chance(700) ? 1 : random_.below(5));
    add(b, mac(Side::c0, true));
    add(b, address(false));
    add(b, random_.chance(800) ? Bytes(6) : mac(Side::c0, false));
    add(b, address(false));
    if (random_.chance(150))
        b.resize(random_.below(28));
    else if (random_.chance(300))
        b.resize(46);
    return b;
}

Bytes Generator::nd(std::string &what, const Bytes &source, const Bytes &target)
{
    what += " nd";
    Bytes b;
    add8(b, random_.chance(750) ? 135 : 133 + random_.below(5));
    add8(b, random_.chance(970) ? 0 : random_.below(256));
    add16(b, 0);
    add32(b, random_.chance(800) ? 0 : static_cast<std::uint32_t>(random_.next()));
    add(b, random_.chance(900) ? address(true) : Bytes(16, 0xff));
    for (unsigned n = random_.below(3); n > 0; n--) {
        const unsigned length = random_.chance(900) ? 1 : random_.below(4);
        add8(b, random_.chance(800) ? 1 : random_.below(6));
        add8(b, length);
        add(b, mac(Side::c0, true));
        b.resize(b.size() + (length > 1 ? (length - 1) * 8 : 0));
    }
    if (random_.chance(80))
        b.resize(random_.below(static_cast<unsigned>(b.size())));
    if (b.size() >= 4)
        set16(b, 2, segment_checksum(source, target, 58, b));
    return b;
}

// A segment of a transport protocol with its checksum.
Bytes Generator::l4(unsigned protocol, bool v6, const Bytes &source, const Bytes &target,
                    std::string &what)
{
    Bytes b;
    const unsigned ports = random_.below(8);
    if (protocol == 58 && random_.chance(500))
        return nd(what, source, target);
    switch (protocol) {
    case 6:
        what += " tcp";
        add16(b, 40000 + ports);
        add16(b, 80);
        add32(b, static_cast<std::uint32_t>(random_.next()));
        add32(b, 1);
        add8(b, random_.chance(970) ? 0x50 : random_.below(256));
        add8(b, random_.chance(700) ? 0x10 : random_.below(256));
        add32(b, 0x10000000);
        add16(b, 0);
        break;
    case 17:
    case 136:
        what += protocol == 17 ? " udp" : " udplite";
        add16(b, 50000 + ports);
        add16(b, random_.chance(900) ? 53 : random_.chance(500) ? 4789 : 6081);
        add16(b, 0);
        add16(b, 0);
        break;
    case 132:
        what += " sctp";
        add16(b, 50000 + ports);
        add16(b, 5000);
        add32(b, 1);
        add32(b, static_cast<std::uint32_t>(random_.next()));
        break;
    case 1:
    case 58:
        what += " icmp";
        add8(b, protocol == 1 ? (random_.chance(800) ? 8 : 3) : 128);
        add8(b, 0);
        add16(b, 0);
        add32(b, 1);
        break;
    case 47:
        what += " gre";
        add32(b, random_.chance(500) ? 0x00006558 : 0x20000800);
        break;
    default:
        what += fmt::format(" protocol {}", protocol);
    }
    for (std::size_t n = size(); n > 0; n--)
        add8(b, n & 0xff);
    if (protocol == 17)
        set16(b, 4, static_cast<unsigned>(b.size()));
    if ((protocol == 6 || protocol == 17 || protocol == 58) && !random_.chance(20))
        set16(b, checksum_offset(protocol), segment_checksum(source, target, protocol, b));
    else if (protocol == 1)
        set16(b, 2, checksum(b));
    if (protocol == 17 && !v6 && random_.chance(100))
        set16(b, 6, 0);
    return b;
}

// A network packet, and its Ethernet type.
Bytes Generator::l3(std::string &what, std::uint16_t &type)
{
    const unsigned kind = random_.below(100);
    if (kind < 8) {
        type = 0x0806;
        return arp(what);
    }
    if (kind < 14) {
        static constexpr std::uint16_t types[]{0x88b5, 0x88cc, 0x0000, 0x002e, 0x0600,
                                               0x8035, 0x6558, 0x8847, 0x88e5, 0x0805};
        type = random_.of(types);
        what += fmt::format(" type {:#06x}", type);
        Bytes b(random_.chance(100) ? random_.below(4) : size());
        for (std::uint8_t &byte : b)
            byte = static_cast<std::uint8_t>(random_.next());
        return b;
    }
    const bool v6 = kind >= 60;
    type = v6 ? 0x86dd : 0x0800;
    static constexpr unsigned protocols4[]{17,  17, 17, 6,  6,  6,  1,  132,
                                           136, 47, 4,  41, 50, 51, 99, 2};
    static constexpr unsigned protocols6[]{17,  17, 17, 6, 6,  58, 58, 58,
                                           132, 47, 41, 4, 50, 59, 99};
    unsigned protocol = v6 ? random_.of(protocols6) : random_.of(protocols4);
    const Bytes source = address(v6), target = address(v6);
    const std::uint8_t tos =
        random_.chance(400) ? 0 : static_cast<std::uint8_t>(random_.below(256));
    static constexpr unsigned hops[]{64, 64, 64, 255, 255, 1, 0, 128};
    Bytes b, extensions;
    if (!v6) {
        what += " ipv4";
        const unsigned options = random_.chance(40) ? 1 + random_.below(10) : 0;
        unsigned fragment = random_.chance(600) ? 0x4000 : 0;
        if (random_.chance(40))
            fragment = random_.chance(500) ? 0x2000 : random_.below(0x2000);
        if (options != 0)
            what += " options";
        if ((fragment & 0x3fff) != 0)
            what += " fragment";
        const Bytes segment = l4(protocol, false, source, target, what);
        add8(b, 0x45 + options);
        add8(b, tos);
        add16(b, static_cast<unsigned>(20 + options * 4 + segment.size()));
        add16(b, random_.below(65536));
        add16(b, fragment);
        add8(b, random_.of(hops));
        add8(b, protocol);
        add16(b, 0);
        add(b, source);
        add(b, target);
        for (unsigned n = 0; n < options; n++)
            add32(b, 0x01010101);
        if (!random_.chance(15))
            set16(b, 10, checksum(b));
        add(b, segment);
        return b;
    }
    what += " ipv6";
    const Bytes segment = l4(protocol, true, source, target, what);
    unsigned first = protocol;
    for (unsigned n = random_.chance(90) ? 1 + random_.below(6) : 0; n > 0; n--) {
        static constexpr unsigned headers[]{0, 43, 44, 60, 51, 135};
        const unsigned header = random_.of(headers);
        Bytes e;
        add8(e, first);
        add8(e, 0);
        add(e, {1, 4, 0, 0, 0, 0});
        if (header == 44) {
            set16(e, 2, random_.chance(500) ? 1 : random_.below(65536));
        } else if (header == 43) {
            e[2] = static_cast<std::uint8_t>(random_.below(5));
            e[3] = 0;
        }
        add(e, extensions);
        extensions = e;
        first = header;
        what += fmt::format(" header {}", header);
    }
    add32(b, 0x60000000U | static_cast<std::uint32_t>(tos) << 20 |
                 (random_.chance(500) ? 0 : random_.below(0x100000)));
    add16(b, static_cast<unsigned>(extensions.size() + segment.size()));
    add8(b, first);
    add8(b, random_.of(hops));
    add(b, source);
    add(b, target);
    add(b, extensions);
    add(b, segment);
    return b;
}

void Generator::add_tags(Bytes &frame, std::string &what, unsigned of_1000)
{
    if (frame.size() < 12 || !random_.chance(of_1000))
        return;
    static constexpr unsigned ids[]{0, 1, 100, 200, 5, 4094, 4095};
    for (unsigned n = 1 + (random_.chance(300) ? random_.below(3) : 0); n > 0; n--) {
        Bytes tag;
        add16(tag, random_.chance(800) ? 0x8100 : 0x88a8);
        add16(tag, random_.of(ids) | (random_.chance(200) ? random_.below(16) << 12 : 0));
        frame.insert(frame.begin() + 12, tag.begin(), tag.end());
        what += " tag";
    }
}

void Generator::flip(Bytes &frame, std::size_t from, std::size_t to, std::string &what)
{
    to = std::min(to, frame.size());
    if (from >= to)
        return;
    const std::size_t at = from + random_.below(static_cast<unsigned>(to - from));
    const std::uint8_t before = frame[at];
    if (random_.chance(600))
        frame[at] ^= static_cast<std::uint8_t>(1U << random_.below(8));
    else
        frame[at] = static_cast<std::uint8_t>(random_.next());
    what += fmt::format(" [{}]={:02x}->{:02x}", at, before, frame[at]);
}

Generator::Inner Generator::inner(Side from, bool may_be_large)
{
    Inner inner;
    std::uint16_t type = 0;
    const Bytes packet = l3(inner.what, type);
    inner.bytes = mac(from, false);
    add(inner.bytes, mac(from, true));
    add16(inner.bytes, type);
    add(inner.bytes, packet);
    add_tags(inner.bytes, inner.what, 80);
    if (random_.chance(100))
        flip(inner.bytes, 12, 70, inner.what);
    if (random_.chance(20))
        flip(inner.bytes, 0, 12, inner.what);
    if (random_.chance(20)) {
        inner.bytes.resize(14 + random_.below(static_cast<unsigned>(inner.bytes.size()) - 13));
        inner.what += " cut";
    } else if (random_.chance(30)) {
        inner.bytes.resize(inner.bytes.size() + random_.below(40));
        inner.what += " padded";
    }
    const std::size_t most = variant_.mtu - (may_be_large ? 0 : 36U);
    if (inner.bytes.size() > most && !random_.chance(100))
        inner.bytes.resize(most);
    return inner;
}

// Wraps an inner frame in outer headers. Most are as a VTEP writes them.
Bytes Generator::outer(const Bytes &inner, std::string &what, Bytes *unfragmented)
{
    static constexpr unsigned froms[]{2, 2, 2, 3, 3, 4, 4, 5};
    const bool v6 = variant_.v6 != random_.chance(10), whole = unfragmented == nullptr;
    const auto odd = [&](unsigned of_1000, const char *name) {
        const bool yes = whole && random_.chance(of_1000);
        if (yes)
            what += fmt::format(" {}", name);
        return yes;
    };
    // Where a MAC is, follows from the MAC; some move.
    unsigned last = random_.of(froms);
    if (inner.size() >= 12 && inner[7] == 0x30 && !random_.chance(60))
        last = 2 + inner[11] % 3;
    Bytes from = v6 ? underlay6(last) : underlay4(last), to = v6 ? underlay6(1) : underlay4(1);
    if (variant_.group && random_.chance(300)) {
        to = {239, 1, 1, 1};
        what += " to the group";
    }
    if (odd(15, "odd source")) {
        static const Bytes list4[]{{192, 0, 2, 1},  {192, 0, 2, 11}, {127, 0, 0, 1},
                                   {239, 1, 1, 2},  {0, 0, 0, 0},    {255, 255, 255, 255},
                                   {192, 0, 2, 78}, {192, 0, 2, 77}};
        from = v6 ? Bytes(16) : random_.of(list4);
    }
    if (odd(12, "odd destination")) {
        static const Bytes list4[]{{192, 0, 2, 11}, {192, 0, 2, 255},    {224, 0, 0, 1},
                                   {192, 0, 2, 9},  {198, 51, 100, 7},   {127, 0, 0, 1},
                                   {239, 1, 1, 1},  {255, 255, 255, 255}};
        to = v6 ? underlay6(1 + random_.below(4)) : random_.of(list4);
    }
    Bytes vxlan;
    unsigned vni = random_.chance(780) ? first_vni : second_vni;
    if (odd(15, "odd VNI"))
        vni = random_.chance(500) ? random_.below(64) : random_.below(1 << 24);
    std::uint32_t flags = 0x08000000, reserved = 0;
    if (variant_.gbp && random_.chance(400)) {
        flags |= 0x80000000U | random_.below(65536);
        if (random_.chance(300))
            flags |= random_.below(256) << 16;
    }
    if (odd(20, "odd flags")) {
        const unsigned kind = random_.below(10);
        flags ^= kind < 4   ? 0x08000000
                 : kind < 7 ? 1U << random_.below(32)
                            : static_cast<std::uint32_t>(random_.next());
    }
    if (odd(10, "reserved octet"))
        reserved = random_.below(256);
    add32(vxlan, flags);
    add32(vxlan, vni << 8 | reserved);
    add(vxlan, inner);

    Bytes udp;
    add16(udp, random_.chance(950) ? 49152 + random_.below(16) : random_.below(65536));
    add16(udp, odd(8, "odd port") ? random_.below(65536) : 4789);
    add16(udp, static_cast<unsigned>(8 + vxlan.size()));
    add16(udp, 0);
    add(udp, vxlan);
    if (odd(12, "UDP length"))
        set16(udp, 4,
              random_.chance(600) ? random_.below(static_cast<unsigned>(udp.size()) + 40)
                                  : random_.below(65536));
    const bool has_sum = v6 || variant_.udpcsum ? !random_.chance(30) : random_.chance(60);
    if (has_sum && !odd(20, "UDP checksum wrong"))
        set16(udp, 6, segment_checksum(from, to, 17, udp));
    else if (has_sum)
        set16(udp, 6, 1 + random_.below(65535));

    static constexpr unsigned hops[]{64, 64, 64, 255, 1, 0};
    Bytes ip;
    const unsigned tos = random_.chance(500) ? 0 : random_.below(256);
    if (!v6) {
        const unsigned options = odd(20, "IP options") ? 1 + random_.below(10) : 0;
        add8(ip, 0x45 + options);
        add8(ip, tos);
        add16(ip, static_cast<unsigned>(20 + options * 4 + udp.size()));
        add16(ip, random_.below(65536));
        add16(ip, random_.chance(300) ? 0x4000 : 0);
        add8(ip, random_.of(hops));
        add8(ip, 17);
        add16(ip, 0);
        add(ip, from);
        add(ip, to);
        for (unsigned n = 0; n < options; n++) {
            static constexpr std::uint32_t words[]{0x01010101, 0x01010101, 0x94040000, 0x44040500,
                                                   0x07040400, 0x83040400, 0x00000000, 0x89ff0401};
            add32(ip, random_.of(words));
        }
        if (odd(12, "IP length"))
            set16(ip, 2,
                  random_.chance(700)
                      ? random_.below(static_cast<unsigned>(ip.size() + udp.size()) + 20)
                      : random_.below(65536));
        if (!odd(8, "IP checksum wrong"))
            set16(ip, 10, checksum(ip));
    } else {
        unsigned next = 17;
        Bytes extensions;
        for (unsigned n = odd(25, "headers") ? 1 + random_.below(3) : 0; n > 0; n--) {
            static constexpr unsigned headers[]{0, 60, 43, 44, 60};
            const unsigned header = random_.of(headers);
            Bytes e;
            add8(e, next);
            add8(e, 0);
            add(e, {1, 4, 0, 0, 0, 0});
            if (header == 44)
                e[2] = e[3] = 0;
            add(e, extensions);
            extensions = e;
            next = header;
        }
        add32(ip, 0x60000000U | tos << 20 | (random_.chance(700) ? 0 : random_.below(0x100000)));
        add16(ip, static_cast<unsigned>(extensions.size() + udp.size()));
        add8(ip, next);
        add8(ip, random_.of(hops));
        add(ip, from);
        add(ip, to);
        add(ip, extensions);
        if (odd(12, "IP length"))
            set16(ip, 4, random_.below(static_cast<unsigned>(ip.size() + udp.size())));
    }
    Bytes frame = mac_of(sut_mac);
    if (to[0] == 239 && !v6)
        frame = {0x01, 0x00, 0x5e, to[1], to[2], to[3]};
    if (odd(12, "odd MAC")) {
        static const char *macs[]{"ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "02:99:00:00:00:01"};
        frame = mac_of(random_.of(macs));
    }
    add(frame, mac_of("02:22:00:00:00:02"));
    frame[11] = static_cast<std::uint8_t>(last);
    add16(frame, v6 ? 0x86dd : 0x0800);
    if (unfragmented != nullptr) {
        *unfragmented = ip;
        add(*unfragmented, udp);
        return frame;
    }
    add(frame, ip);
    add(frame, udp);
    if (odd(20, "outer tag"))
        add_tags(frame, what, 1000);
    if (odd(20, "trailer"))
        frame.resize(frame.size() + 1 + random_.below(30));
    return frame;
}

// Sends an outer packet, of which `packet` is all behind the Ethernet header of `what`, in pieces.
void Generator::fragments(const Bytes &packet, const std::string &what)
{
    const bool v6 = (packet[0] >> 4) == 6;
    const std::size_t header = v6 ? 40 : 20;
    std::string text = what + " fragments";
    std::vector<Bytes> pieces;
    const std::uint16_t id = id_++;
    std::size_t at = header;
    while (at < packet.size()) {
        std::size_t size =
            random_.chance(300) ? 8 + random_.below(8) * 8 : 200 + random_.below(1000);
        size = std::min(size / 8 * 8, packet.size() - at);
        const bool more = at + size < packet.size();
        Bytes piece(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(header));
        if (v6) {
            const unsigned next = piece[6];
            piece[6] = 44;
            set16(piece, 4, static_cast<unsigned>(size + 8));
            add8(piece, next);
            add8(piece, 0);
            add16(piece, static_cast<unsigned>((at - header) | (more ? 1 : 0)));
            add32(piece, id);
        } else {
            set16(piece, 2, static_cast<unsigned>(header + size));
            set16(piece, 4, id);
            set16(piece, 6, static_cast<unsigned>((at - header) / 8 | (more ? 0x2000 : 0)));
            set16(piece, 10, 0);
            set16(piece, 10, checksum(piece));
        }
        piece.insert(piece.end(), packet.begin() + static_cast<std::ptrdiff_t>(at),
                     packet.begin() + static_cast<std::ptrdiff_t>(at + size));
        pieces.push_back(std::move(piece));
        at += size;
    }
    if (random_.chance(200))
        std::ranges::reverse(pieces);
    if (random_.chance(60)) {
        pieces.erase(pieces.begin() + random_.below(static_cast<unsigned>(pieces.size())));
        text += ", one lost";
    }
    if (!pieces.empty() && random_.chance(40)) {
        pieces.push_back(pieces[random_.below(static_cast<unsigned>(pieces.size()))]);
        text += ", one twice";
    }
    for (Bytes &piece : pieces) {
        Bytes frame = mac_of(sut_mac);
        add(frame, mac_of("02:22:00:00:00:02"));
        add16(frame, v6 ? 0x86dd : 0x0800);
        add(frame, piece);
        put(Side::wire, std::move(frame), text);
    }
}

void Generator::vxlan_packet()
{
    const bool in_pieces = random_.chance(15);
    Inner in = inner(Side::wire, in_pieces);
    if (random_.chance(15)) {
        in.bytes.resize(random_.below(16));
        in.what += " short";
    }
    std::string what = "vxlan:" + in.what;
    if (in_pieces) {
        Bytes packet;
        outer(in.bytes, what, &packet);
        fragments(packet, what);
        return;
    }
    Bytes frame = outer(in.bytes, what);
    if (random_.chance(30)) {
        // Anywhere in the outer headers; sums are made right again, mostly.
        const Headers before = headers(frame);
        flip(frame, random_.chance(100) ? 0 : 14, before.network + (before.v6 ? 56 : 36), what);
        const Headers at = headers(frame);
        if (at.v4 && random_.chance(800))
            fix_ipv4_checksum(frame, at.network);
        if ((at.v6 || variant_.udpcsum) && random_.chance(800))
            fix_udp_checksum(frame, at);
    }
    if (random_.chance(10)) {
        frame.resize(14 + random_.below(static_cast<unsigned>(frame.size()) - 14));
        what += " cut";
    }
    if (frame.size() > variant_.mtu + 14U)
        frame.resize(variant_.mtu + 14U);
    put(Side::wire, std::move(frame), std::move(what));
}

// What is not VXLAN: the programs must leave it as it is.
void Generator::underlay_packet()
{
    std::string what = "underlay:";
    Bytes frame = mac_of(sut_mac);
    if (random_.chance(100))
        frame = Bytes(6, 0xff);
    add(frame, mac_of("02:22:00:00:00:02"));
    const unsigned kind = random_.below(4);
    if (kind == 0) {
        what += " arp";
        add16(frame, 0x0806);
        add32(frame, 0x00010800);
        add32(frame, 0x06040001);
        add(frame, mac_of("02:22:00:00:00:02"));
        add(frame, underlay4(2));
        add(frame, Bytes(6));
        add(frame, underlay4(1 + random_.below(3)));
    } else {
        std::uint16_t type = 0;
        const bool v6 = variant_.v6 && random_.chance(500);
        static constexpr unsigned protocols[]{1, 6, 17, 17, 47, 4, 132};
        const unsigned protocol = v6 && kind == 1 ? 58 : random_.of(protocols);
        const Bytes from = v6 ? underlay6(2) : underlay4(2), to = v6 ? underlay6(1) : underlay4(1);
        type = v6 ? 0x86dd : 0x0800;
        Bytes segment = l4(protocol, v6, from, to, what);
        if (protocol == 6 && segment.size() >= 20)
            segment[13] = 2; // SYN: the answer is the same each time
        if (segment.size() > 1200)
            segment.resize(1200);
        if (protocol == 58 && !segment.empty() && segment[0] != 128)
            segment[0] = 128;
        if (protocol == 1 && !segment.empty() && segment[0] == 3)
            segment[0] = 8;
        if (protocol == 17 && segment.size() >= 8) {
            set16(segment, 2, 9);
            set16(segment, 4, static_cast<unsigned>(segment.size()));
        }
        if (segment.size() >= 8) {
            const std::size_t sum_at = checksum_offset(protocol);
            set16(segment, sum_at, 0);
            set16(segment, sum_at,
                  protocol == 1 ? checksum(segment)
                                : segment_checksum(from, to, protocol, segment));
        }
        add16(frame, type);
        if (v6) {
            add32(frame, 0x60000000U);
            add16(frame, static_cast<unsigned>(segment.size()));
            add8(frame, protocol);
            add8(frame, 64);
        } else {
            Bytes ip;
            add16(ip, 0x4500);
            add16(ip, static_cast<unsigned>(20 + segment.size()));
            add32(ip, 0x00014000);
            add8(ip, 64);
            add8(ip, protocol);
            add16(ip, 0);
            add(frame, ip);
        }
        add(frame, from);
        add(frame, to);
        fix_ipv4_checksum(frame, v6 ? frame.size() : 14);
        add(frame, segment);
    }
    put(Side::wire, std::move(frame), std::move(what));
}

void Generator::wire_frame()
{
    if (random_.chance(25))
        underlay_packet();
    else
        vxlan_packet();
}

// A packet that is to be segmented, or whose checksum is to be finished by somebody else.
void Generator::gso_frame(Side side)
{
    static constexpr unsigned kinds[]{0, 0, 1, 1, 2, 3};
    unsigned kind = random_.of(kinds); // TCP, UDP, checksum alone, odd
    if (kind == 3 && variant_.layout != Layout::bridge && variant_.layout != Layout::host)
        kind = 2; // a container would get it unfinished
    const bool v6 = random_.chance(400), tcp = kind == 0 || (kind > 1 && random_.chance(500));
    const unsigned protocol = tcp ? 6 : 17;
    std::string what = fmt::format("gso: {} {}", v6 ? "ipv6" : "ipv4", tcp ? "tcp" : "udp");
    Bytes frame = mac(side, false);
    add(frame, mac(side, true));
    add16(frame, v6 ? 0x86dd : 0x0800);
    const bool tagged = side == Side::trunk || random_.chance(60);
    if (tagged) {
        Bytes tag;
        add16(tag, 0x8100);
        add16(tag, random_.chance(500) ? first_vlan : second_vlan);
        frame.insert(frame.begin() + 12, tag.begin(), tag.end());
        what += " tag";
    }
    const std::size_t l3_at = frame.size(), l4_size = tcp ? 20 : 8;
    const unsigned segment = 100 + random_.below(variant_.mtu - 50 - 14 - 60 - 100);
    const std::size_t data = kind >= 2
                                 ? random_.below(1200)
                                 : std::min<std::size_t>(segment * (2 + random_.below(12)), 60000);
    Bytes from = address(v6), to = address(v6);
    const unsigned tos = random_.chance(500) ? 0 : random_.below(256);
    if (v6) {
        add32(frame, 0x60000000U | tos << 20);
        add16(frame, static_cast<unsigned>(l4_size + data));
        add8(frame, protocol);
        add8(frame, 64);
        add(frame, from);
        add(frame, to);
    } else {
        add16(frame, 0x4500 | tos);
        add16(frame, static_cast<unsigned>(20 + l4_size + data));
        add16(frame, random_.below(65536));
        add16(frame, random_.chance(700) ? 0x4000 : 0);
        add8(frame, 64);
        add8(frame, protocol);
        add16(frame, 0);
        add(frame, from);
        add(frame, to);
        fix_ipv4_checksum(frame, l3_at);
    }
    const std::size_t l4_at = frame.size();
    add16(frame, 40000 + random_.below(8));
    add16(frame, 80);
    if (tcp) {
        add32(frame, static_cast<std::uint32_t>(random_.next()));
        add32(frame, 1);
        static constexpr unsigned flags[]{0x10, 0x18, 0x19, 0x90, 0x50};
        add8(frame, 0x50);
        add8(frame, random_.of(flags));
        add16(frame, 0x1000);
        add32(frame, 0);
    } else {
        add16(frame, static_cast<unsigned>(8 + data));
        add16(frame, 0);
    }
    for (std::size_t n = 0; n < data; n++)
        add8(frame, n & 0xff);
    // The sum of the pseudo-header, as the stack leaves it.
    Bytes pseudo = from;
    add(pseudo, to);
    add32(pseudo, static_cast<std::uint32_t>(l4_size + data));
    add32(pseudo, protocol);
    set16(frame, l4_at + checksum_offset(protocol), static_cast<std::uint16_t>(~checksum(pseudo)));
    Shape shape{.flags = needs_checksum,
                .type = gso_none,
                .csum_start = static_cast<std::uint16_t>(l4_at),
                .csum_offset = static_cast<std::uint16_t>(checksum_offset(protocol))};
    if (kind < 2) {
        shape.type = tcp ? (v6 ? gso_tcp6 : gso_tcp4) : gso_udp;
        if (tcp && (frame[l4_at + 13] & 0x80) != 0)
            shape.type |= gso_ecn;
        shape.headers = static_cast<std::uint16_t>(l4_at + l4_size);
        shape.size = static_cast<std::uint16_t>(segment);
        what += fmt::format(" {} x {}", data, segment);
    } else if (kind == 3) {
        what += " odd checksum place";
        if (random_.chance(500))
            shape.csum_start =
                static_cast<std::uint16_t>(random_.below(static_cast<unsigned>(frame.size())));
        else
            shape.csum_offset = static_cast<std::uint16_t>(random_.below(40));
    } else {
        what += " checksum unfinished";
    }
    put(side, std::move(frame), std::move(what), shape);
}

// Packets of a flow in a row, as GRO merges them: one packet that the wire cuts into pieces, each
// of which is a VXLAN packet.
void Generator::train()
{
    const bool v6 = random_.chance(300);
    const unsigned count = 2 + random_.below(8), size = 200 + random_.below(900);
    std::string what = fmt::format("train: {} x {}", count, size);
    const Bytes target = mac(Side::wire, false), source = mac(Side::wire, true);
    Bytes from = v6 ? Bytes(16, 0x20) : Bytes{10, 20, 1, 0x31}, to = from;
    to.back() = 0x41;
    Bytes all;
    auto seq = static_cast<std::uint32_t>(random_.next());
    const unsigned port = 40000 + random_.below(8),
                   tos = random_.chance(700) ? 0 : random_.below(4);
    const unsigned id = random_.below(60000);
    for (unsigned n = 0; n < count; n++) {
        Bytes tcp;
        add16(tcp, port);
        add16(tcp, 80);
        add32(tcp, seq);
        seq += size;
        add32(tcp, 1);
        add8(tcp, 0x50);
        add8(tcp, n + 1 == count && random_.chance(500) ? 0x18 : 0x10);
        add16(tcp, 0x1000);
        add32(tcp, 0);
        for (unsigned i = 0; i < size; i++)
            add8(tcp, i & 0xff);
        set16(tcp, 16, segment_checksum(from, to, 6, tcp));
        Bytes ip;
        if (v6) {
            add32(ip, 0x60000000U | tos << 20);
            add16(ip, static_cast<unsigned>(tcp.size()));
            add16(ip, 0x0640);
        } else {
            add16(ip, 0x4500 | tos);
            add16(ip, static_cast<unsigned>(20 + tcp.size()));
            add16(ip, id + n);
            add16(ip, 0x4000);
            add16(ip, 0x4006);
            add16(ip, 0);
        }
        add(ip, from);
        add(ip, to);
        if (!v6)
            fix_ipv4_checksum(ip, 0);
        add32(all, 0x08000000);
        add32(all, first_vni << 8);
        add(all, target);
        add(all, source);
        add16(all, v6 ? 0x86dd : 0x0800);
        add(all, ip);
        add(all, tcp);
    }
    Bytes frame = mac_of(sut_mac);
    add(frame, mac_of("02:22:00:00:00:02"));
    add16(frame, 0x0800);
    Bytes ip;
    const unsigned outer_tos = random_.chance(600) ? 0 : random_.below(4);
    add16(ip, 0x4500 | outer_tos);
    add16(ip, static_cast<unsigned>(28 + all.size()));
    add32(ip, 0x00010000);
    add16(ip, 0x4011);
    add16(ip, 0);
    const Bytes sender = underlay4(source.size() == 6 && source[1] == 0x30 ? 2 + source[5] % 3 : 2);
    add(ip, sender);
    add(ip, underlay4(1));
    fix_ipv4_checksum(ip, 0);
    add(frame, ip);
    const std::size_t udp = frame.size(), segment = all.size() / count;
    add16(frame, 49152 + random_.below(16));
    add16(frame, 4789);
    add16(frame, static_cast<unsigned>(8 + all.size()));
    Bytes pseudo = sender;
    add(pseudo, underlay4(1));
    add32(pseudo, static_cast<std::uint32_t>(8 + all.size()));
    add32(pseudo, 17);
    add16(frame, static_cast<std::uint16_t>(~checksum(pseudo)));
    add(frame, all);
    put(Side::wire, std::move(frame), std::move(what),
        {.flags = needs_checksum,
         .type = gso_udp,
         .headers = static_cast<std::uint16_t>(udp + 8),
         .size = static_cast<std::uint16_t>(segment),
         .csum_start = static_cast<std::uint16_t>(udp),
         .csum_offset = 6});
}

void Generator::container_frame()
{
    static constexpr Side bridge[]{Side::c0, Side::c0, Side::c0, Side::c1, Side::c1, Side::c2},
        trunk[]{Side::c0, Side::c0, Side::trunk, Side::trunk, Side::trunk, Side::c2},
        host[]{Side::host, Side::host, Side::host, Side::c2};
    const Side side = variant_.layout == Layout::host ? random_.of(host)
                      : variant_.layout == Layout::trunk || variant_.layout == Layout::many
                          ? random_.of(trunk)
                          : random_.of(bridge);
    if (random_.chance(40)) {
        gso_frame(side);
        return;
    }
    Inner in = inner(side, true);
    if (side == Side::trunk && random_.chance(950)) {
        Bytes tag;
        add16(tag, 0x8100);
        add16(tag, random_.chance(600) ? first_vlan : second_vlan);
        in.bytes.insert(in.bytes.begin() + 12, tag.begin(), tag.end());
        if (in.bytes.size() < 30) // or the stack drops it for want of a type behind a tag
            in.bytes.resize(30);
    }
    if (in.bytes.size() > variant_.mtu + 14U)
        in.bytes.resize(variant_.mtu + 14U);
    put(side, std::move(in.bytes), fmt::format("{}:{}", side_name(side), in.what));
}

} // namespace xvtep::differential
