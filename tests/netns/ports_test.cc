// SPDX-License-Identifier: GPL-2.0-only
// Containers that are restarted and moved, bridges that forget, and MACs that are claimed
// elsewhere.

#include <atomic>

#include <nlohmann/json.hpp>

#include "tests/support/overlay_case.h"

namespace xvtep::test {
namespace {

class Ports : public OverlayCase {
  protected:
    static int index_of(const std::string &host, const std::string &device)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        return static_cast<int>(::if_nametoindex(device.c_str()));
    }

    // Of ten frames to container `to`, those that arrive there.
    int arrived(const std::string &from, int to, const std::string &where, int sender = 2)
    {
        Watch ear(where, "eth0");
        const Bytes mark = new_mark();
        const RawPort port(from, "eth0");
        for (int i = 0; i < 10; i++)
            port.send(frame(to, sender, mark));
        ear.wait([&] { return ear.copies(mark) >= 10; }, milliseconds(300));
        return ear.copies(mark);
    }

    static Bytes frame(int to, int from, const Bytes &mark)
    {
        Bytes bytes = octets_of_macs(mac(to), mac(from));
        put16(bytes, 0x88b5);
        put(bytes, marked(mark));
        return bytes;
    }

    static void say(const std::string &host, int from)
    {
        Bytes bytes = octets_of_macs("ff:ff:ff:ff:ff:ff", mac(from));
        put16(bytes, 0x88b5);
        put(bytes, marked(new_mark()));
        send_raw(host, "eth0", bytes);
    }
};

// The kernel's device has other counters, and on an IPv6 underlay the hosts send more than the
// containers: this is instantiated for xvtep over IPv4 alone.
class PortCounters : public Ports {};

// The first packet of a second asks for the next hop, by way of the VTEP's device.
TEST_P(PortCounters, EachFrameCountsOnce)
{
    ASSERT_NO_FATAL_FAILURE(build({.ipv6 = false}));
    entries();
    ASSERT_EQ(pings_lost(c_[1], v4(2)), 0);
    const auto sent = [&] {
        return nlohmann::json::parse(run(1, "-j stats"))[0]["tx_packets"].get<std::uint64_t>();
    };
    const auto before = sent();
    ASSERT_EQ(pings_lost(c_[1], v4(2), 3, "-i 1.2"), 0);
    EXPECT_EQ(sent() - before, 3U);
}

// The interface is made anew, as container runtimes do; nobody tells xvtep.
TEST_P(Ports, RestartedContainer)
{
    ASSERT_NO_FATAL_FAILURE(build());
    ASSERT_EQ(pings_lost(c_[2], v4(1)), 0);
    ip(h_[1], "link del v1");
    connect(1, c_[1], "v1", "br0", 42, 1, false);
    EXPECT_EQ(pings_lost(c_[2], v4(1), 5), 0);
    EXPECT_EQ(pings_lost(c_[1], v4(2), 5), 0);
    EXPECT_EQ(pings_lost(c_[2], v6(1), 3), 0);
}

// The same, and it says nothing by itself.
TEST_P(Ports, RestartedContainerIsReachedBeforeItSpeaks)
{
    ASSERT_NO_FATAL_FAILURE(build({.ipv6 = false}));
    ASSERT_EQ(pings_lost(c_[2], v4(1)), 0);
    ip(h_[1], "link del v1");
    connect(1, c_[1], "v1", "br0", 42, 1, false);
    EXPECT_EQ(arrived(c_[2], 1, c_[1]), 10);
}

// It is back under another name, as a port again; the old one's entries are worth nothing.
TEST_P(Ports, RestartedContainerBehindANewPort)
{
    ASSERT_NO_FATAL_FAILURE(build({.ipv6 = false}));
    ASSERT_EQ(pings_lost(c_[2], v4(1)), 0);
    ip(h_[1], "link del v1");
    connect(1, c_[1], "new", "br0", 42, 1);
    EXPECT_EQ(arrived(c_[2], 1, c_[1]), 10);
    EXPECT_EQ(pings_lost(c_[2], v4(1), 5), 0);
}

// Another tenant's interface has the index that the container's had.
TEST_P(Ports, AnIndexGivenToAnotherTenant)
{
    ASSERT_NO_FATAL_FAILURE(build({.tenants = true, .ipv6 = false}));
    ASSERT_EQ(pings_lost(c_[2], v4(1)), 0);
    const int index = index_of(h_[1], "v1");
    ip(h_[1], "link del v1");
    const std::string other = host("other");
    must(fmt::format("ip link add w9 index {} netns {} type veth peer name eth0 netns {}", index,
                     h_[1], other));
    ASSERT_EQ(index_of(h_[1], "w9"), index);
    quiet(other);
    batch(h_[1], "link set w9 master br1\nlink set w9 up");
    ip(other, "link set eth0 up");
    await_bridge(1, "w9");
    Watch tenant(other, "eth0");
    for (int i = 0; i < 5; i++)
        send_raw(c_[2], "eth0", frame(1, 2, new_mark())); // known
    say(c_[2], 2);                                        // flooded
    ::usleep(100'000);
    EXPECT_EQ(overheard(tenant, false), 0) << "another tenant's frames";
    const Bytes mark = new_mark();
    Watch third = towards(3), second = towards(2);
    Bytes claimed = octets_of_macs("ff:ff:ff:ff:ff:ff", mac(1));
    put16(claimed, 0x88b5);
    put(claimed, marked(mark));
    send_raw(other, "eth0", claimed);
    ::usleep(100'000);
    for (Watch *watch : {&second, &third}) {
        watch->seen();
        for (const Frame &seen : watch->seen())
            if (const auto packet = parse_encapsulated(seen.bytes);
                packet && Watch::contains(seen, mark)) {
                EXPECT_EQ(packet->vni, 43U) << "of the tenant's own";
            }
    }
    connect(1, c_[1], "v1", "br0", 42, 1, false);
    EXPECT_EQ(pings_lost(c_[2], v4(1), 5), 0);
    EXPECT_EQ(overheard(tenant, true), 0);
}

// It was behind another host, and is now behind this one: its first frame tells everybody here.
TEST_P(Ports, MovedHere)
{
    ASSERT_NO_FATAL_FAILURE(build({.ipv6 = false}));
    const std::string near = host("near"); // served by the bridge
    connect(1, near, "v4", "br0", 42, 4, false);
    ASSERT_EQ(pings_lost(near, v4(2)), 0);
    ASSERT_EQ(pings_lost(c_[1], v4(2)), 0);
    ip(h_[2], "link set v2 down");
    const std::string moved = host("moved");
    connect(1, moved, "moved", "br0", 42, 2);
    // A frame to somebody else: broadcasts would mend more than this has to.
    entry(1, mac(6), 2);
    send_raw(moved, "eth0", frame(6, 2, new_mark()));
    ::usleep(50'000);
    EXPECT_EQ(arrived(near, 2, moved, 4), 10);
    EXPECT_EQ(arrived(c_[1], 2, moved, 1), 10);
    EXPECT_EQ(pings_lost(near, v4(2), 3), 0);
    EXPECT_EQ(pings_lost(moved, v4(4), 3), 0);
}

// From this host to another: what it says there is heard here.
TEST_P(Ports, MovedAway)
{
    ASSERT_NO_FATAL_FAILURE(build({.ipv6 = false}));
    const std::string near = container(1, 4, "near");
    ASSERT_EQ(pings_lost(c_[2], v4(1)), 0);
    ASSERT_EQ(pings_lost(near, v4(1)), 0);
    ip(h_[1], "link set v1 down");
    const std::string moved = host("moved");
    connect(2, moved, "moved", "br0", 42, 1);
    say(moved, 1);
    ::usleep(50'000);
    EXPECT_EQ(arrived(near, 1, moved, 4), 10);
    EXPECT_EQ(pings_lost(near, v4(1), 3), 0);
    EXPECT_EQ(pings_lost(c_[2], v4(1), 3), 0);
}

// Two containers talk all the time, past the bridge; a third that the bridge serves sends to them,
// long after the bridge has last heard of them. A bystander on the bridge sees nothing of it.
TEST_P(Ports, TheBridgeFloodsNothingThatIsKnown)
{
    ASSERT_NO_FATAL_FAILURE(build({.ipv6 = false}));
    const std::string near = host("near"), bystander = host("bystander");
    connect(1, near, "v4", "br0", 42, 4, false);
    connect(1, bystander, "v5", "br0", 42, 5, false);
    ip(h_[1], "link set br0 type bridge ageing_time 100");
    ASSERT_EQ(pings_lost(c_[1], v4(2)), 0);
    ASSERT_EQ(pings_lost(near, v4(1)), 0);
    std::atomic<bool> stop = false;
    std::thread talk([&] {
        while (!stop) {
            send_raw(c_[1], "eth0", frame(2, 1, new_mark()));
            send_raw(c_[2], "eth0", frame(1, 2, new_mark()));
            ::usleep(50'000);
        }
    });
    ::usleep(2'500'000);
    Watch ear(bystander, "eth0");
    const int here = arrived(near, 1, c_[1], 4), there = arrived(near, 2, c_[2], 4);
    stop = true;
    talk.join();
    EXPECT_EQ(here, 10);
    EXPECT_EQ(there, 10);
    EXPECT_EQ(overheard(ear, true), 0)
        << "of 20, to the container here and to the one behind the VTEP";
}

// A container elsewhere claims the MAC of this host's bridge, its containers' gateway.
class Gateway : public Ports {
  protected:
    void SetUp() override
    {
        Ports::SetUp();
        if (IsSkipped())
            return;
        ASSERT_NO_FATAL_FAILURE(build({.ipv6 = false}));
        ip(h_[1], "link set br0 address " + gateway_);
        ip(h_[1], "addr add 10.20.1.254/24 dev br0");
        near_ = container(1, 4, "near");
        for (const std::string &name : {c_[1], near_})
            ip(name,
               fmt::format("neigh replace 10.20.1.254 lladdr {} dev eth0 nud permanent", gateway_));
        ASSERT_EQ(pings_lost(c_[1], "10.20.1.254"), 0);
        ASSERT_EQ(pings_lost(near_, "10.20.1.254"), 0);
    }

    // `claimer` sends a frame with a MAC of host 1's; `from` reaches it still.
    void expect_own(const std::string &claimer, const std::string &from, const std::string &address,
                    const std::string &claimed)
    {
        Watch ear(claimer, "eth0");
        Bytes spoofed = octets_of_macs("ff:ff:ff:ff:ff:ff", claimed);
        put16(spoofed, 0x88b5);
        put(spoofed, marked(new_mark()));
        send_raw(claimer, "eth0", spoofed);
        ::usleep(30'000);
        ear.forget();
        EXPECT_EQ(pings_lost(from, address, 5, "-i 0.02"), 0) << "claimed by " << claimer;
        int taken = 0;
        for (const Frame &frame : ear.seen())
            if (const auto packet = parse_packet(frame.bytes);
                packet && packet->echo && !frame.outgoing)
                taken++;
        EXPECT_EQ(taken, 0) << "frames that went to " << claimer;
    }

    const std::string gateway_ = "02:00:00:00:a1:fe";
    std::string near_;
};

TEST_P(Gateway, IsNotTakenAway)
{
    expect_own(c_[2], c_[1], "10.20.1.254", gateway_); // by another host
    expect_own(near_, c_[1], "10.20.1.254", gateway_); // by a neighbour
    expect_own(c_[2], near_, "10.20.1.254", gateway_);
}

// The bridge was told where a MAC is: its own by hand ("permanent"), or behind a port for good
// ("sticky"; a "static" entry moves, too).
TEST_P(Gateway, WhatTheBridgeWasToldHolds)
{
    const std::string fixed = host("fixed"), own = "02:00:00:00:a1:ff";
    connect(1, fixed, "v5", "br0", 42, 5, false);
    must(fmt::format("bridge -n {} fdb replace {} dev v5 master static sticky", h_[1], mac(5)));
    ASSERT_EQ(pings_lost(c_[1], v4(5)), 0);
    expect_own(c_[2], c_[1], v4(5), mac(5));
    expect_own(near_, c_[1], v4(5), mac(5));

    must(fmt::format("bridge -n {} fdb replace {} dev br0 self permanent", h_[1], own));
    for (const std::string &claimer : {c_[2], near_}) {
        Bytes spoofed = octets_of_macs("ff:ff:ff:ff:ff:ff", own);
        put16(spoofed, 0x88b5);
        put(spoofed, marked(new_mark()));
        send_raw(claimer, "eth0", spoofed);
        ::usleep(30'000);
        Watch bridge(h_[1], "br0"), taken(claimer, "eth0");
        const Bytes mark = new_mark();
        Bytes frame = octets_of_macs(own, mac(1));
        put16(frame, 0x88b5);
        put(frame, marked(mark));
        send_raw(c_[1], "eth0", frame);
        EXPECT_TRUE(bridge.wait([&] { return bridge.copies(mark) == 1; }, milliseconds(300)))
            << "claimed by " << claimer;
        EXPECT_EQ(taken.copies(mark), 0);
    }
}

const auto families = fewer_overlays();
const auto name = [](const auto &test) { return name_of(test.param); };
INSTANTIATE_TEST_SUITE_P(Overlays, Ports, ::testing::ValuesIn(families), name);
INSTANTIATE_TEST_SUITE_P(Overlays, PortCounters,
                         ::testing::ValuesIn(only(families,
                                                  [](const OverlayParameter &overlay) {
                                                      return overlay.system != System::kernel &&
                                                             overlay.underlay == Underlay::v4;
                                                  })),
                         name);
INSTANTIATE_TEST_SUITE_P(Overlays, Gateway, ::testing::ValuesIn(families), name);

} // namespace
} // namespace xvtep::test
