// SPDX-License-Identifier: GPL-2.0-only
// VLANs of a trunk and VNIs, by raw frames. Each host has its own VLAN number for a VNI:
//
//   g1 --q1----t1-- h1 ==u1======u2== h2 --t2----q2-- g2
//      VLAN 1       VNI 1001  VNI 1001       VLAN 2
//      VLAN 2       VNI 1002  VNI 1002       VLAN 1
//
// A sender's tag is in the packet where it is written there, and beside it in the skb where an
// offload left it: "beside" goes through a veth whose frames a BPF program tags.

#include <linux/if_ether.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <thread>

#include <nlohmann/json.hpp>

#include "tests/support/netns_case.h"
#include "user/lab/capture.h"
#include "user/lab/test_frame.h"
#include "user/lab/vlan.h"
#include "user/net/netlink.h"

namespace xvtep::test {
namespace {

const Mac mac1 = *Mac::parse("fa:16:3e:00:00:01");
const Mac mac2 = *Mac::parse("fa:16:3e:00:00:02");
const Mac everyone = *Mac::parse("ff:ff:ff:ff:ff:ff");

struct TrunkCase {
    const char *name;
    const char *underlay;
    const char *port;
};

void PrintTo(const TrunkCase &trunk, std::ostream *out)
{
    *out << trunk.name;
}

class Trunk : public NetnsCase, public ::testing::WithParamInterface<TrunkCase> {
  protected:
    enum class Tag { packet, beside };

    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        for (const int n : {1, 2}) {
            hosts_[n] = host(fmt::format("h{}", n));
            guests_[n] = host(fmt::format("g{}", n));
        }
        wire(hosts_[1], "u1", hosts_[2], "u2");
        for (const int n : {1, 2}) {
            ip(hosts_[n], fmt::format("addr add 10.0.100.{}/24 dev u{}", n, n));
            wire(hosts_[n], trunk(n), guests_[n], guest(n));
            wire(guests_[n], "v1", guests_[n], "v2");
            attach(n, 1001);
            attach(n, 1002);
            port(n, 1001, n);
            port(n, 1002, 3 - n);
        }
    }

    static std::string trunk(int n) { return fmt::format("t{}", n); }
    static std::string guest(int n) { return fmt::format("q{}", n); }

    void attach(int n, int vni)
    {
        must(fmt::format("{0} -n {1} attach u{2} --vni {3} --name vx{3} --local 10.0.100.{2} "
                         "--remote 10.0.100.{4} --mode {5} --df set --hard-ageing 300",
                         xvtep(), hosts_[n], n, vni, 3 - n, GetParam().underlay));
    }
    // `vlan` 0: untagged frames.
    void port(int n, int vni, int vlan)
    {
        must(fmt::format("{} -n {} port add {} --vni {} --mode {} {}", xvtep(), hosts_[n], trunk(n),
                         vni, GetParam().port, vlan != 0 ? fmt::format("--vlan {}", vlan) : ""));
    }

    struct Ear {
        Capture capture;
        std::vector<Frame> heard{};

        std::vector<Frame> &listen()
        {
            for (Frame &frame : capture.drain())
                heard.push_back(std::move(frame));
            return heard;
        }
    };

    static int index_of(const std::string &host, const std::string &device)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        return Netlink::open()->link(device)->index;
    }

    static Ear ear(const std::string &host, const std::string &device)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        return {std::move(*Capture::open(index_of(host, device)))};
    }

    static void send_raw(const std::string &host, const std::string &device,
                         const std::vector<std::uint8_t> &bytes)
    {
        const int index = index_of(host, device);
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        const auto sent = send_frame(index, bytes);
        ASSERT_TRUE(sent) << sent.error().message();
    }

    static std::vector<std::uint8_t> tagged(std::vector<std::uint8_t> frame, std::uint16_t type,
                                            std::uint16_t tci)
    {
        const std::uint8_t tag[] = {
            static_cast<std::uint8_t>(type >> 8), static_cast<std::uint8_t>(type),
            static_cast<std::uint8_t>(tci >> 8), static_cast<std::uint8_t>(tci)};
        frame.insert(frame.begin() + 2 * ETH_ALEN, std::begin(tag), std::end(tag));
        return frame;
    }

    // From guest `n`, VLAN `vlan` (0: untagged).
    void send(int n, const TestFrame &frame, std::uint16_t vlan, Tag where)
    {
        if (vlan == 0) {
            send_raw(guests_[n], guest(n), frame.bytes);
        } else if (where == Tag::packet) {
            send_raw(guests_[n], guest(n), tagged(frame.bytes, ETH_P_8021Q, vlan));
        } else {
            const auto netns = Netns::open(guests_[n]);
            const auto scope = netns->enter();
            if (tied_[n] != 0)
                ASSERT_EQ(tied_[n], vlan) << "one VLAN a test";
            else
                ASSERT_TRUE(
                    connect_vlan(index_of(guests_[n], "v2"), index_of(guests_[n], guest(n)), vlan));
            tied_[n] = vlan;
            send_raw(guests_[n], "v1", frame.bytes);
        }
    }

    // The VLANs (0: untagged) in which copies of a frame come in, after waiting for some.
    static std::vector<int> vlans(Ear &ear, const TestFrame &frame, std::size_t wanted = 1)
    {
        std::vector<int> found;
        const auto deadline =
            std::chrono::steady_clock::now() + std::chrono::milliseconds(wanted ? 1000 : 200);
        do {
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            found.clear();
            for (const Frame &heard : ear.listen())
                if (!heard.outgoing && frame.is_in(heard.bytes))
                    found.push_back(heard.vlan.value_or(0));
        } while ((wanted == 0 || found.size() < wanted) &&
                 std::chrono::steady_clock::now() < deadline);
        return found;
    }

    // Of the copies on the wire: VNI, and what is behind the MACs, as "1001 88b5".
    static std::vector<std::string> on_wire(Ear &ear, const TestFrame &frame)
    {
        std::vector<std::string> found;
        for (const Frame &heard : ear.listen())
            if (const auto packet = parse_encapsulated(heard.bytes);
                heard.outgoing && packet && frame.is_in(packet->inner)) {
                EXPECT_TRUE(packet->outer.df);
                found.push_back(fmt::format("{} {:02x}{:02x}", packet->vni, packet->inner[12],
                                            packet->inner[13]));
            }
        return found;
    }

    int counted(int n, const std::string &reason)
    {
        const auto stats = nlohmann::json::parse(
            must(fmt::format("{} -n {} -j stats dev {}", xvtep(), hosts_[n], trunk(n))));
        for (const auto &line : stats)
            if (line["ifname"] == trunk(n) && line["drops"].contains(reason))
                return line["drops"][reason];
        return 0;
    }

    void expect_crosses(Tag where)
    {
        Ear wire = ear(hosts_[1], "u1"), far = ear(guests_[2], guest(2)),
            near = ear(guests_[1], guest(1));
        const TestFrame flood = make_test_frame(everyone, mac1, {});
        send(1, flood, 1, where);
        EXPECT_EQ(vlans(far, flood), std::vector{2});
        EXPECT_EQ(on_wire(wire, flood), std::vector<std::string>{"1001 88b5"});
        EXPECT_EQ(vlans(near, flood, 0), std::vector<int>{}) << "came back";

        Ear back = ear(hosts_[2], "u2");
        const TestFrame reply = make_test_frame(mac1, mac2, {});
        send(2, reply, 2, where);
        EXPECT_EQ(vlans(near, reply), std::vector{1});
        EXPECT_EQ(on_wire(back, reply), std::vector<std::string>{"1001 88b5"});

        const TestFrame known = make_test_frame(mac2, mac1, {});
        send(1, known, 1, where);
        EXPECT_EQ(vlans(far, known), std::vector{2});
        EXPECT_EQ(on_wire(wire, known), std::vector<std::string>{"1001 88b5"});
    }

    std::string hosts_[3], guests_[3];
    std::uint16_t tied_[3] = {};
};

TEST_P(Trunk, TagInThePacketIsStrippedAndTheOtherHostsPutBack)
{
    expect_crosses(Tag::packet);
}

TEST_P(Trunk, TagBesideThePacketIsStrippedAndTheOtherHostsPutBack)
{
    expect_crosses(Tag::beside);
}

TEST_P(Trunk, SameMacsInTwoVlansAreKeptApart)
{
    Ear far = ear(guests_[2], guest(2));
    const TestFrame one = make_test_frame(everyone, mac1, {});
    const TestFrame other = make_test_frame(everyone, mac1, {});
    send(1, one, 1, Tag::packet);
    send(1, other, 2, Tag::packet);
    EXPECT_EQ(vlans(far, one), std::vector{2});
    EXPECT_EQ(vlans(far, other), std::vector{1});
    for (const int vlan : {1, 2}) {
        Ear near = ear(guests_[1], guest(1));
        const TestFrame reply = make_test_frame(mac1, mac2, {});
        send(2, reply, static_cast<std::uint16_t>(vlan), Tag::packet);
        EXPECT_EQ(vlans(near, reply), std::vector{3 - vlan});
    }
}

TEST_P(Trunk, UnknownVlanIsCountedAndDropped)
{
    Ear wire = ear(hosts_[1], "u1"), far = ear(guests_[2], guest(2));
    for (const Tag where : {Tag::packet, Tag::beside}) {
        const int before = counted(1, "unknown_vlan");
        const TestFrame stray = make_test_frame(everyone, mac1, {});
        send(1, stray, 99, where);
        EXPECT_EQ(vlans(far, stray, 0), std::vector<int>{});
        EXPECT_TRUE(on_wire(wire, stray).empty());
        EXPECT_GE(counted(1, "unknown_vlan"), before + 1);
    }
}

TEST_P(Trunk, UntaggedWithoutAVniOfItsOwnIsCountedAndDropped)
{
    Ear wire = ear(hosts_[1], "u1"), far = ear(guests_[2], guest(2));
    const int before = counted(1, "unknown_vlan");
    const TestFrame stray = make_test_frame(everyone, mac1, {});
    send(1, stray, 0, Tag::packet);
    EXPECT_EQ(vlans(far, stray, 0), std::vector<int>{});
    EXPECT_TRUE(on_wire(wire, stray).empty());
    EXPECT_GE(counted(1, "unknown_vlan"), before + 1);
}

TEST_P(Trunk, UntaggedHasItsOwnVni)
{
    for (const int n : {1, 2}) {
        attach(n, 1003);
        port(n, 1003, 0);
    }
    Ear wire = ear(hosts_[1], "u1"), far = ear(guests_[2], guest(2)),
        near = ear(guests_[1], guest(1));
    const TestFrame flood = make_test_frame(everyone, mac1, {});
    send(1, flood, 0, Tag::packet);
    EXPECT_EQ(vlans(far, flood), std::vector{0});
    EXPECT_EQ(on_wire(wire, flood), std::vector<std::string>{"1003 88b5"});
    const TestFrame reply = make_test_frame(mac1, mac2, {});
    send(2, reply, 0, Tag::packet);
    EXPECT_EQ(vlans(near, reply), std::vector{0});
}

// The untagged frames' VNI is there too, and the tag is where XDP cannot see it.
TEST_P(Trunk, TagBesideThePacketIsNotTakenForNone)
{
    for (const int n : {1, 2}) {
        attach(n, 1003);
        port(n, 1003, 0);
    }
    Ear far = ear(guests_[2], guest(2)), near = ear(guests_[1], guest(1));
    // All is known in all VLANs: the XDP programs could carry it.
    for (const std::uint16_t vlan : std::initializer_list<std::uint16_t>{0, 1, 2}) {
        const TestFrame there = make_test_frame(everyone, mac1, {});
        send(1, there, vlan, Tag::packet);
        EXPECT_EQ(vlans(far, there).size(), 1U);
        const TestFrame back = make_test_frame(mac1, mac2, {});
        send(2, back, vlan, Tag::packet);
        EXPECT_EQ(vlans(near, back).size(), 1U);
    }
    for (int i = 0; i < 3; i++) {
        Ear wire = ear(hosts_[1], "u1");
        const TestFrame frame = make_test_frame(mac2, mac1, {});
        send(1, frame, 1, Tag::beside);
        EXPECT_EQ(vlans(far, frame), std::vector{2});
        EXPECT_EQ(on_wire(wire, frame), std::vector<std::string>{"1001 88b5"});
    }
}

// An inner tag is part of the frame.
TEST_P(Trunk, InnerTagStays)
{
    Ear wire = ear(hosts_[1], "u1"), far = ear(guests_[2], guest(2));
    const TestFrame frame = make_test_frame(everyone, mac1, 50);
    send(1, frame, 1, Tag::packet);
    ASSERT_EQ(vlans(far, frame), std::vector{2});
    EXPECT_EQ(on_wire(wire, frame), std::vector<std::string>{"1001 8100"});
    for (const Frame &heard : far.listen())
        if (!heard.outgoing && frame.is_in(heard.bytes)) {
            EXPECT_EQ(heard.bytes[12] << 8 | heard.bytes[13], ETH_P_8021Q);
            EXPECT_EQ(heard.bytes[15], 50);
        }
}

// A provider's tag (802.1ad) is another tag than a customer's of the same number.
TEST_P(Trunk, ProviderTagIsNotAVlans)
{
    Ear wire = ear(hosts_[1], "u1"), far = ear(guests_[2], guest(2));
    const int before = counted(1, "unknown_vlan");
    const TestFrame frame = make_test_frame(everyone, mac1, {});
    send_raw(guests_[1], guest(1), tagged(frame.bytes, ETH_P_8021AD, 1));
    EXPECT_EQ(vlans(far, frame, 0), std::vector<int>{});
    EXPECT_EQ(on_wire(wire, frame), std::vector<std::string>{});
    EXPECT_GE(counted(1, "unknown_vlan"), before + 1);
}

// A priority tag (VLAN 0) names no VLAN: the frame is an untagged one.
TEST_P(Trunk, PriorityTaggedIsUntagged)
{
    for (const int n : {1, 2}) {
        attach(n, 1003);
        port(n, 1003, 0);
    }
    Ear wire = ear(hosts_[1], "u1"), far = ear(guests_[2], guest(2));
    const TestFrame frame = make_test_frame(everyone, mac1, {});
    send_raw(guests_[1], guest(1), tagged(frame.bytes, ETH_P_8021Q, 5 << 13));
    EXPECT_EQ(vlans(far, frame), std::vector{0});
    const auto seen = on_wire(wire, frame);
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_TRUE(seen[0].starts_with("1003 ")) << seen[0];
}

// Two ports of a VNI on one host: the tag is exchanged without a way over the wire.
TEST_P(Trunk, SwitchesBetweenPortsOfAHost)
{
    wire(hosts_[1], "t3", guests_[1], "q3");
    must(fmt::format("{} -n {} port add t3 --vni 1001 --mode {}", xvtep(), hosts_[1],
                     GetParam().port));
    Ear plain = ear(guests_[1], "q3"), far = ear(guests_[2], guest(2));
    const TestFrame flood = make_test_frame(everyone, mac1, {});
    send(1, flood, 1, Tag::packet);
    EXPECT_EQ(vlans(plain, flood), std::vector{0});
    EXPECT_EQ(vlans(far, flood), std::vector{2});

    Ear wire = ear(hosts_[1], "u1"), near = ear(guests_[1], guest(1));
    const TestFrame reply = make_test_frame(mac1, mac2, {});
    send_raw(guests_[1], "q3", reply.bytes);
    EXPECT_EQ(vlans(near, reply), std::vector{1});
    EXPECT_TRUE(on_wire(wire, reply).empty());

    const TestFrame known = make_test_frame(mac2, mac1, {});
    send(1, known, 1, Tag::packet);
    EXPECT_EQ(vlans(plain, known), std::vector{0});
    EXPECT_EQ(vlans(far, known, 0), std::vector<int>{});
}

TEST_P(Trunk, RemovedVlanIsUnknownThen)
{
    Ear far = ear(guests_[2], guest(2));
    must(fmt::format("{} -n {} port del t1 --vlan 1", xvtep(), hosts_[1]));
    const int before = counted(1, "unknown_vlan");
    const TestFrame gone = make_test_frame(everyone, mac1, {});
    send(1, gone, 1, Tag::packet);
    EXPECT_EQ(vlans(far, gone, 0), std::vector<int>{});
    EXPECT_GE(counted(1, "unknown_vlan"), before + 1);
    const TestFrame other = make_test_frame(everyone, mac1, {});
    send(1, other, 2, Tag::packet);
    EXPECT_EQ(vlans(far, other), std::vector{1});
}

// A port that is no trunk carries tags as part of the frame.
TEST_P(Trunk, PlainPortKeepsTags)
{
    for (const int n : {1, 2}) {
        must(fmt::format("{} -n {} port del t{} --vlan 1", xvtep(), hosts_[n], n));
        must(fmt::format("{} -n {} port del t{} --vlan 2", xvtep(), hosts_[n], n));
        port(n, 1001, 0);
    }
    Ear wire = ear(hosts_[1], "u1"), far = ear(guests_[2], guest(2)),
        near = ear(guests_[1], guest(1));
    for (const Tag where : {Tag::packet, Tag::beside}) {
        const TestFrame flood = make_test_frame(everyone, mac1, {});
        send(1, flood, 7, where);
        EXPECT_EQ(vlans(far, flood), std::vector{7});
        EXPECT_EQ(on_wire(wire, flood), std::vector<std::string>{"1001 8100"});
        const TestFrame reply = make_test_frame(mac1, mac2, {});
        send(2, reply, 7, where);
        EXPECT_EQ(vlans(near, reply), std::vector{7});
        const TestFrame known = make_test_frame(mac2, mac1, {});
        send(1, known, 7, where);
        EXPECT_EQ(vlans(far, known), std::vector{7});
        EXPECT_EQ(on_wire(wire, known), std::vector<std::string>{"1001 8100"});
    }
}

constexpr TrunkCase trunk_cases[] = {
    {"tc", "tc", "tc"},
    {"xdp", "xdp", "tc"},
    {"xdp_ports_xdp", "xdp", "xdp"},
    {"skb_ports_skb", "skb", "skb"},
};

INSTANTIATE_TEST_SUITE_P(Modes, Trunk, ::testing::ValuesIn(trunk_cases),
                         [](const auto &test) { return std::string(test.param.name); });

} // namespace
} // namespace xvtep::test
