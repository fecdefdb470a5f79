// SPDX-License-Identifier: GPL-2.0-only
// A frame goes to its entry's VTEP and to no other, whatever is in it and whatever path carries it;
// and what arrives is learned, or held against static entries, whatever it is wrapped in.

#include "tests/support/overlay_case.h"

namespace xvtep::test {
namespace {

using Defaults = OverlayPlan::Defaults;

struct Kind {
    std::string name;
    Bytes rest; // behind the MAC addresses
    Bytes mark{};
};

class Steering : public OverlayCase {
  protected:
    static Bytes typed(unsigned type, const Bytes &rest)
    {
        Bytes out;
        put16(out, type);
        put(out, rest);
        return out;
    }
    // Behind VLAN tags, the outermost first.
    static Bytes tagged(const std::vector<std::uint32_t> &tags, const Bytes &rest)
    {
        Bytes out;
        for (const auto tag : tags)
            put32(out, tag);
        put(out, rest);
        return out;
    }
    static Bytes ip4(unsigned proto, const Bytes &rest, unsigned fragment = 0, bool options = false)
    {
        return typed(0x0800, Ipv4{.src = "10.20.1.1",
                                  .dst = "10.20.1.2",
                                  .proto = proto,
                                  .fragment = fragment,
                                  .options = options} /
                                 rest);
    }
    static Bytes ip6(unsigned next, const Bytes &rest)
    {
        return typed(0x86dd, Ipv6{.src = "fd20::1", .dst = "fd20::2", .next = next} / rest);
    }
    static Bytes in_front(const Bytes &head, const Bytes &rest)
    {
        Bytes out = head;
        put(out, rest);
        return out;
    }

    template <typename Make> static void add(std::vector<Kind> &all, const char *name, Make make)
    {
        const Bytes mark = new_mark();
        all.push_back({name, make(marked(mark)), mark});
    }

    static std::vector<Kind> kinds()
    {
        std::vector<Kind> all;
        constexpr std::uint32_t customer = 0x81000007, provider = 0x88a80008, priority = 0x8100a000;
        const auto udp4 = [](const Bytes &p) { return ip4(17, Udp{.src = 1000, .dst = 9000} / p); };
        add(all, "UDP", udp4);
        add(all, "UDP to the tunnel's port", [](const Bytes &p) { return ip4(17, Udp{} / p); });
        add(all, "not IP", [](const Bytes &p) { return typed(0x88b5, p); });
        add(all, "a length for a type", [](const Bytes &p) { return typed(46, p); });
        add(all, "MPLS", [](const Bytes &p) { return typed(0x8847, p); });
        add(all, "ARP to one",
            [](const Bytes &p) { return typed(0x0806, in_front(arp_request(), p)); });
        add(all, "one tag", [&](const Bytes &p) { return tagged({customer}, udp4(p)); });
        add(all, "one tag, not IP",
            [&](const Bytes &p) { return tagged({customer}, typed(0x88b5, p)); });
        add(all, "a provider's tag", [&](const Bytes &p) { return tagged({provider}, udp4(p)); });
        add(all, "two tags", [&](const Bytes &p) { return tagged({provider, customer}, udp4(p)); });
        add(all, "two tags, not IP", [&](const Bytes &p) {
            return tagged({provider, customer}, typed(0x88b5, p));
        });
        add(all, "three tags", [&](const Bytes &p) {
            return tagged({provider, customer, customer}, udp4(p));
        });
        add(all, "three tags, not IP", [&](const Bytes &p) {
            return tagged({provider, customer, customer}, typed(0x88b5, p));
        });
        add(all, "priority tag", [&](const Bytes &p) { return tagged({priority}, udp4(p)); });
        for (const auto &[name, proto] : {std::pair("ICMP", 1U),
                                          {"IP in IP", 4U},
                                          {"TCP", 6U},
                                          {"IPv6 in IP", 41U},
                                          {"GRE", 47U},
                                          {"ESP", 50U},
                                          {"SCTP", 132U},
                                          {"an unknown protocol", 253U}}) {
            add(all, name, [&](const Bytes &p) { return ip4(proto, p); });
            add(all, name, [&](const Bytes &p) { return ip6(proto, p); });
        }
        add(all, "first fragment", [](const Bytes &p) { return ip4(17, p, 0x2000); });
        add(all, "last fragment", [](const Bytes &p) { return ip4(17, p, 0x0010); });
        add(all, "IP options",
            [](const Bytes &p) { return ip4(17, Udp{.dst = 9000} / p, 0, true); });
        const Bytes padding = {17, 0, 1, 4, 0, 0, 0, 0};
        const auto extended = [&](unsigned next, Bytes head) {
            return [=](const Bytes &p) { return ip6(next, in_front(head, Udp{.dst = 9000} / p)); };
        };
        add(all, "hop-by-hop", extended(0, padding));
        add(all, "destination options", extended(60, padding));
        add(all, "IPv6 first fragment", extended(44, {17, 0, 0, 1, 0, 0, 0, 7}));
        add(all, "IPv6 last fragment", extended(44, {17, 0, 0, 16, 0, 0, 0, 7}));
        return all;
    }

    // Frames of 1,500 bytes and more, which do not fit into the path with the tunnel's headers.
    static std::vector<Kind> large_kinds()
    {
        std::vector<Kind> all;
        const auto large = [&](const char *name, auto make) {
            const Bytes mark = new_mark();
            all.push_back({name, make(mark), mark});
        };
        const auto udp = [](const Bytes &mark, std::size_t size) {
            return ip4(17, Udp{.src = 1000, .dst = 9000} / marked(mark, size));
        };
        large("large, may be split", [&](const Bytes &m) { return udp(m, 1472); });
        large("large fragment", [&](const Bytes &m) { return ip4(17, marked(m, 1480), 0x2000); });
        large("large, one tag", [&](const Bytes &m) { return tagged({0x81000007}, udp(m, 1472)); });
        large("large, two tags", [&](const Bytes &m) {
            return tagged({0x88a80008, 0x81000007}, udp(m, 1464));
        });
        large("large, three tags", [&](const Bytes &m) {
            return tagged({0x88a80008, 0x81000007, 0x81000007}, udp(m, 1460));
        });
        large("large, not IP", [&](const Bytes &m) { return typed(0x88b5, marked(m, 1500)); });
        large("large, tagged, not IP",
              [&](const Bytes &m) { return tagged({0x81000007}, typed(0x88b5, marked(m, 1500))); });
        return all;
    }

    // From container 1 to container 2: all of them once, and at no other place.
    void expect_steered(const std::vector<Kind> &all, bool arrive = true)
    {
        Watch far(c_[2], "eth0"), third = towards(3), bystander(c_[3], "eth0");
        const RawPort port(c_[1], "eth0");
        for (const Kind &kind : all)
            port.send(in_front(octets_of_macs(mac(2), mac(1)), kind.rest));
        far.wait(
            [&] {
                return std::ranges::all_of(all,
                                           [&](const Kind &k) { return far.copies(k.mark) > 0; });
            },
            milliseconds(arrive ? 1000 : 200));
        ::usleep(20'000); // what may come twice
        for (const Kind &kind : all) {
            if (arrive) {
                EXPECT_EQ(far.copies(kind.mark), 1) << kind.name;
            }
            EXPECT_EQ(third.copies(kind.mark, true), 0) << kind.name << ", towards host 3";
            EXPECT_EQ(bystander.copies(kind.mark), 0) << kind.name << ", at container 3";
        }
        EXPECT_EQ(unicast_of(third, 1, 3).size(), 0U);
    }
};

TEST_P(Steering, ByHandWithAnotherDefault)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::ring}));
    entries();
    expect_steered(kinds());
}

TEST_P(Steering, ByHandWithoutADefault)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::none}));
    entries();
    expect_steered(kinds());
}

TEST_P(Steering, Learned)
{
    ASSERT_NO_FATAL_FAILURE(build());
    ASSERT_EQ(pings_lost(c_[2], v4(1)), 0);
    expect_steered(kinds());
}

class SteeringByChecksums : public Steering {};

// With a default that is elsewhere: what is learned is all that tells the way.
TEST_P(SteeringByChecksums, LearnedWithAnotherDefault)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::ring}));
    ASSERT_EQ(pings_lost(c_[2], v4(1)), 0);
    expect_steered(kinds());
}

class SteeringElsewhere : public Steering {};

// The entry moves while frames go: nothing reaches the old place any more.
TEST_P(SteeringElsewhere, MovedByHand)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::none}));
    entry(1, mac(2), 3);
    send_raw(c_[1], "eth0", in_front(octets_of_macs(mac(2), mac(1)), kinds()[0].rest));
    ::usleep(50'000);
    entry(1, mac(2), 2);
    expect_steered(kinds());
}

TEST_P(SteeringElsewhere, LargerThanThePathByHand)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::ring, .overlay_mtu = 1500}));
    entries();
    expect_steered(large_kinds(), !underlay_v6()); // which nobody splits on IPv6
    if (underlay_v6())
        return;
    EXPECT_EQ(pings_lost(c_[1], v4(2), 3, "-M dont -i 0.05 -s 1472"), 0);
    EXPECT_EQ(pings_lost(c_[1], v4(2), 3, "-M dont -i 0.05 -s 4000"), 0);
}

TEST_P(SteeringElsewhere, LargerThanThePathWithoutADefault)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::none, .overlay_mtu = 1500}));
    entries();
    expect_steered(large_kinds(), !underlay_v6()); // which nobody splits on IPv6
}

TEST_P(SteeringElsewhere, LargerThanThePathLearned)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::ring, .overlay_mtu = 1500}));
    ASSERT_EQ(pings_lost(c_[2], v4(1)), 0);
    expect_steered(large_kinds(), !underlay_v6()); // which nobody splits on IPv6
}

// As people meet it: ARP answers and fragments to a MAC that is known elsewhere.
TEST_P(SteeringByChecksums, PingsWithArpAndFragments)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::ring, .tenants = true}));
    Watch third = towards(3), tenant(o_[2], "eth0");
    for (const int n : {1, 2})
        batch(c_[n], fmt::format("neigh flush dev eth0 nud permanent"));
    EXPECT_EQ(pings_lost(c_[2], v4(1)), 0);
    EXPECT_EQ(pings_lost(c_[2], v6(1)), 0);
    EXPECT_EQ(pings_lost(c_[2], v4(1), 3, "-i 0.05 -s 3000"), 0);
    EXPECT_EQ(pings_lost(c_[2], v6(1), 3, "-i 0.05 -s 3000"), 0);
    UdpEar ear(c_[2], v4(2), 9000);
    send_datagrams(c_[1], v4(2), 9000, 3000, 20, false);
    EXPECT_EQ(ear.hear(20), (Datagrams{.sizes = {{3000, 20}}}));
    EXPECT_EQ(unicast_of(third, 1, 3).size(), 0U);
    EXPECT_EQ(overheard(tenant, false), 0);
}

class NestedTunnel : public Steering {
  protected:
    void expect_nested()
    {
        Watch third = towards(3), bystander(c_[3], "eth0");
        for (const int n : {1, 2})
            batch(c_[n], fmt::format("link add nested type vxlan id 7 dstport 4789 local {} remote "
                                     "{} dev eth0 udpcsum\nlink set nested up\n"
                                     "addr add 10.70.0.{}/24 dev nested",
                                     v4(n), v4(3 - n), n));
        EXPECT_EQ(pings_lost(c_[1], "10.70.0.2"), 0);
        for (const auto &[from, to] : {std::pair(1, 2), std::pair(2, 1)}) {
            const auto stream =
                tcp_stream(c_[from], c_[to], fmt::format("10.70.0.{}", to), 8 << 20);
            EXPECT_EQ(stream.bytes, 8U << 20) << from << " to " << to << ": " << stream.gbit();
            EXPECT_FALSE(stream.wrong);
        }
        EXPECT_EQ(unicast_of(third, 1, 3).size(), 0U);
        EXPECT_EQ(overheard(bystander, true), 0);
    }
};

TEST_P(NestedTunnel, WithoutADefault)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::none}));
    entries();
    expect_nested();
}

TEST_P(NestedTunnel, WithAnotherDefault)
{
    ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::ring}));
    entries();
    expect_nested();
}

// Frames in VXLAN from a VTEP nobody configured, in every wrapping that the stack unwraps.
//
//   rogue --u---- s9  of the switch; 192.168.8.9, fd08::9
class Wrapped : public OverlayCase {
  protected:
    struct Wrapping {
        std::string name;
        Bytes tag{};
        std::string to{};     // "": host 1
        unsigned trailer = 0; // bytes behind the IP packet
        unsigned beyond = 0;  // behind what UDP says is its own
        bool options = false; // IPv4's, or a destination option
        bool fragments = false;
    };

    void SetUp() override
    {
        OverlayCase::SetUp();
        if (IsSkipped())
            return;
        ASSERT_NO_FATAL_FAILURE(build({.defaults = Defaults::none, .ipv6 = false}));
        rogue_ = host("rogue");
        wire(rogue_, "u", sw_, "s9");
        ip(sw_, "link set s9 master sw");
        quiet(rogue_);
        port_mac_ = in(h_[1], "cat /sys/class/net/u/address").substr(0, 17);
        own_mac_ = in(rogue_, "cat /sys/class/net/u/address").substr(0, 17);
        batch(h_[1], underlay_v6()
                         ? "addr add fd08::51/64 dev u nodad\naddr add fd77::1/64 dev br1 nodad\n"
                           "neigh replace fd08::9 lladdr " +
                               own_mac_ + " dev u nud permanent"
                         : "addr add 192.168.8.51/24 dev u\naddr add 10.77.0.1/24 dev br1\n"
                           "neigh replace 192.168.8.9 lladdr " +
                               own_mac_ + " dev u nud permanent");
    }

    static std::vector<Wrapping> wrappings()
    {
        const bool v6 = underlay_v6();
        return {
            {.name = "plain"},
            {.name = "priority tag", .tag = {0x81, 0, 0xa0, 0}},
            {.name = "provider's priority tag", .tag = {0x88, 0xa8, 0xa0, 0}},
            {.name = "trailer", .trailer = 6},
            {.name = "UDP shorter than IP", .beyond = 6},
            {.name = "another address", .to = v6 ? "fd08::51" : "192.168.8.51"},
            {.name = "a bridge's address", .to = v6 ? "fd77::1" : "10.77.0.1"},
            {.name = "everyone", .to = v6 ? "ff02::1" : "192.168.8.255"},
            {.name = "all hosts", .to = v6 ? "ff02::1" : "224.0.0.1"},
            {.name = "options", .options = true},
            {.name = "fragments", .fragments = true},
        };
    }

    [[nodiscard]] std::string mac_for(const std::string &to) const
    {
        if (to == "192.168.8.255")
            return "ff:ff:ff:ff:ff:ff";
        return to == "224.0.0.1" ? "01:00:5e:00:00:01"
               : to == "ff02::1" ? "33:33:00:00:00:01"
                                 : port_mac_;
    }

    // As the rogue sends it to host 1.
    void send_wrapped(const Wrapping &w, const Bytes &inner) const
    {
        const std::string from = outer(9), to = w.to.empty() ? outer(1) : w.to;
        Bytes udp = Udp{.from = from.c_str(), .to = to.c_str()} / (Vxlan{} / inner);
        put(udp, Bytes(w.beyond, 0xee));
        std::vector<Bytes> packets;
        const std::size_t cut = w.fragments ? 48 : udp.size();
        for (std::size_t at = 0; at < udp.size(); at += cut) {
            const Bytes piece(udp.begin() + static_cast<long>(at),
                              udp.begin() + static_cast<long>(std::min(udp.size(), at + cut)));
            packets.push_back(packet(w, from, to, piece, at, at + cut < udp.size()));
        }
        const RawPort port(rogue_, "u");
        for (const Bytes &packet : packets) {
            Bytes frame = octets_of_macs(mac_for(to), own_mac_);
            put(frame, w.tag);
            put16(frame, underlay_v6() ? 0x86dd : 0x0800);
            put(frame, packet);
            put(frame, Bytes(w.trailer, 0xee));
            port.send(frame);
        }
    }

    static Bytes packet(const Wrapping &w, const std::string &from, const std::string &to,
                        const Bytes &piece, std::size_t at, bool more)
    {
        if (!underlay_v6())
            return Ipv4{.src = from.c_str(),
                        .dst = to.c_str(),
                        .id = 99,
                        .fragment = static_cast<unsigned>(at / 8 | (more ? 0x2000 : 0)),
                        .options = w.options} /
                   piece;
        Bytes rest;
        if (w.options) {
            rest = {17, 0, 1, 4, 0, 0, 0, 0};
        } else if (w.fragments) {
            put16(rest, 17 << 8);
            put16(rest, static_cast<unsigned>(at) | (more ? 1 : 0));
            put32(rest, 99);
        }
        put(rest, piece);
        return Ipv6{.src = from.c_str(),
                    .dst = to.c_str(),
                    .next = w.options     ? 60U
                            : w.fragments ? 44U
                                          : 17U} /
               rest;
    }

    std::string rogue_, port_mac_, own_mac_;
};

TEST_P(Wrapped, StaticEntriesHold)
{
    entry(1, mac(2), 2);
    Watch near(c_[1], "eth0");
    const std::string claimed = mac(2), to = mac(1);
    for (const Wrapping &w : wrappings()) {
        const Bytes mark = new_mark();
        send_wrapped(w, Ether{.dst = to.c_str(), .src = claimed.c_str(), .type = 0x88b5} /
                            marked(mark));
        ::usleep(60'000);
        EXPECT_EQ(near.copies(mark), 0) << w.name;
    }
    // And the entry is where it was.
    Watch second = towards(2), rogue = Watch(sw_, "s9");
    const Bytes mark = new_mark();
    send_raw(c_[1], "eth0",
             Ether{.dst = claimed.c_str(), .src = to.c_str(), .type = 0x88b5} / marked(mark));
    EXPECT_TRUE(second.wait([&] { return second.copies(mark, true) == 1; }));
    EXPECT_EQ(rogue.copies(mark, true), 0);
}

TEST_P(Wrapped, SourcesAreLearned)
{
    Watch near(c_[1], "eth0"), rogue(sw_, "s9"), second = towards(2), third = towards(3);
    int n = 0x30;
    for (const Wrapping &w : wrappings()) {
        SCOPED_TRACE(w.name);
        const std::string source = mac(n++), to = mac(1);
        const Bytes there = new_mark(), back = new_mark();
        send_wrapped(w, Ether{.dst = to.c_str(), .src = source.c_str(), .type = 0x88b5} /
                            marked(there));
        near.wait([&] { return near.copies(there) > 0; }, milliseconds(300));
        EXPECT_EQ(near.copies(there), 1) << "delivered";
        send_raw(c_[1], "eth0",
                 Ether{.dst = source.c_str(), .src = to.c_str(), .type = 0x88b5} / marked(back));
        rogue.wait([&] { return rogue.copies(back, true) > 0; }, milliseconds(300));
        EXPECT_EQ(rogue.copies(back, true), 1) << "answered where it came from";
        EXPECT_EQ(second.copies(back, true) + third.copies(back, true), 0);
    }
}

const auto all_overlays = overlays({Underlay::v4, Underlay::v4_checksums, Underlay::v6});
const auto families = overlays({Underlay::v4, Underlay::v6});
const auto name = [](const auto &test) { return name_of(test.param); };
INSTANTIATE_TEST_SUITE_P(Overlays, Steering, ::testing::ValuesIn(families), name);
INSTANTIATE_TEST_SUITE_P(Overlays, SteeringByChecksums, ::testing::ValuesIn(all_overlays), name);
INSTANTIATE_TEST_SUITE_P(Overlays, SteeringElsewhere, ::testing::ValuesIn(fewer_overlays()), name);
INSTANTIATE_TEST_SUITE_P(Overlays, NestedTunnel, ::testing::ValuesIn(fewer_overlays()), name);
INSTANTIATE_TEST_SUITE_P(Overlays, Wrapped, ::testing::ValuesIn(families), name);

} // namespace
} // namespace xvtep::test
