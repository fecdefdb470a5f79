// SPDX-License-Identifier: GPL-2.0-only
// What a hostile container can do to the others: made-up sources, MACs of others, stacks of tags,
// and storms of misses. The same with the kernel's device and its bridge, which say what is right.

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "bpf/abi/tables.h"
#include "tests/support/blast.h"
#include "tests/support/overlay_case.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/datapath.h"

namespace xvtep::test {
namespace {

using Json = nlohmann::json;

constexpr const char *everybody = "ff:ff:ff:ff:ff:ff";

class Hostile : public OverlayCase {
  protected:
    static Bytes frame(const std::string &to, const std::string &from, const Bytes &mark)
    {
        Bytes bytes = octets_of_macs(to, from);
        put16(bytes, 0x88b5);
        put(bytes, marked(mark));
        return bytes;
    }
    static void say(const std::string &host, const std::string &from,
                    const std::string &to = everybody)
    {
        send_raw(host, "eth0", frame(to, from, new_mark()));
    }

    // Frames with `count` made-up sources, whose second octet is `family`.
    static void made_up(const std::string &host, unsigned count, std::uint8_t family,
                        const std::string &to)
    {
        Bytes bytes = frame(to, "02:00:00:00:00:00", new_mark());
        bytes[7] = family;
        blast(host, "eth0", count, bytes,
              [](Bytes &b, std::uint32_t number) { write_number(b, 8, number); });
    }

    // How many of those MACs a device has learned behind other VTEPs at host `n`.
    long learned(int n, const std::string &device, std::uint8_t family)
    {
        std::istringstream lines(
            kernel() ? must(fmt::format("bridge -n {} fdb show dev {}", h_[n], device))
                     : run(n, "fdb show dev " + device));
        const std::string start = fmt::format("02:{:02x}:", family);
        long count = 0;
        for (std::string line; std::getline(lines, line);)
            count += line.starts_with(start) && line.find(" dst ") != std::string::npos;
        return count;
    }
    // How many entries the programs have, behind VTEPs and local ports.
    std::uint64_t entries_of(int n, int vni)
    {
        const auto cookie = Netns::open(h_[n])->cookie();
        const auto tables = Tables::open(state_directory("/sys/fs/bpf", *cookie));
        const xv_vni_key key{static_cast<__u32>(vni), htons(4789), 0};
        return tables->fdb_count[tables->vnis.look_up(key)->value()];
    }

    Json statistics(int n, const std::string &device)
    {
        return Json::parse(run(n, "-j stats dev " + device)).at(0);
    }
};

class HostileSources : public Hostile {};
class HostileMacs : public Hostile {};
class HostileTags : public Hostile {};

// Of one tenant's flood its neighbours lose no packet, and another tenant nothing at all: its MACs
// are learned as before.
TEST_P(HostileSources, OfOneTenantInAFlood)
{
    constexpr unsigned flood = 60'000, many = 2'000;
    ASSERT_NO_FATAL_FAILURE(build({.tenants = true, .ipv6 = false}));
    entries();
    const std::string near = container(1, 4, "near");
    ASSERT_EQ(pings_lost(o_[1], v4(82)), 0);
    std::array<int, 3> lost{-1, -1, -1};
    std::vector<std::thread> pingers;
    pingers.emplace_back([&] { lost[0] = pings_lost(o_[1], v4(82), 40, "-i 0.02"); });
    pingers.emplace_back([&] { lost[1] = pings_lost(c_[3], v4(2), 40, "-i 0.02"); });
    pingers.emplace_back([&] { lost[2] = pings_lost(near, v4(2), 40, "-i 0.02"); });
    made_up(c_[1], flood, 0xb1, mac(2));
    for (auto &pinger : pingers)
        pinger.join();
    // XDP fills the queue of the wire, which tenants share.
    EXPECT_LE(lost[0], xdp() ? 4 : 0) << "of another tenant's";
    EXPECT_LE(lost[1], 4) << "of neighbours' at the host that is flooded"; // its queue is full
    EXPECT_LE(lost[2], 4) << "of a neighbour's at the same host";
    EXPECT_EQ(pings_lost(c_[1], v4(2)), 0);

    // What the queues have not let through is sent again, until the tenant has its share.
    for (int tries = 0; !kernel() && tries < 4 && entries_of(2, 42) <= XV_FDB_START / 2 - 100;
         tries++)
        made_up(c_[1], flood, 0xb1, mac(2));

    // What is learned afterwards, at the host that floods and at the one that is flooded.
    made_up(o_[2], many, 0xb2, mac(81));
    made_up(o_[1], many, 0xb3, mac(82));
    for (const int n : {1, 2}) {
        SCOPED_TRACE(n);
        EXPECT_EQ(learned(n, "vxlan1", n == 1 ? 0xb2 : 0xb3), many) << "from the tunnel";
        if (kernel())
            continue;
        if (with_ports()) {
            EXPECT_GE(entries_of(n, 43), 2 * many) << "and from the port";
        }
        EXPECT_LE(entries_of(n, 42), XV_FDB_START / 2);
        EXPECT_GT(entries_of(n, 42), XV_FDB_START / 2 - 100);
        EXPECT_GT(statistics(n, "vxlan0")["not_learned"].get<unsigned>(), 1'000U);
        // The kernel's device has what the programs have, and no more.
        EXPECT_LE(learned(n, "vxlan0", 0xb1), XV_FDB_START / 2);
        EXPECT_LE(std::stol(must(
                      fmt::format("bridge -n {} fdb show dev vxlan0 | grep -c \" dst \"", h_[n]))),
                  XV_FDB_START / 2 + 100);
        EXPECT_EQ(statistics(n, "vxlan1")["not_learned"], 0);
        run(n, "fdb add 02:00:00:00:0f:01 dev vxlan1 dst " + outer(3));
        run(n, "neigh add 10.20.1.77 lladdr 02:00:00:00:0f:01 dev vxlan1");
    }
}

// A container sends with a neighbour's MAC. The neighbour has it back with its next frame.
TEST_P(HostileMacs, AreBackWithTheNextFrame)
{
    ASSERT_NO_FATAL_FAILURE(build({.ipv6 = false}));
    const std::string near = container(1, 4, "near");
    ASSERT_EQ(pings_lost(near, v4(2)), 0);
    ASSERT_EQ(pings_lost(near, v4(1)), 0);
    // By a neighbour at the same host, and by one elsewhere; seen from both.
    for (const auto &[thief, other] : {std::pair(c_[1], c_[2]), {c_[2], c_[1]}, {c_[2], c_[3]}}) {
        SCOPED_TRACE(thief);
        say(thief, mac(4));
        ::usleep(20'000);
        say(near, mac(4));
        ::usleep(20'000);
        Watch ear(thief, "eth0");
        EXPECT_EQ(pings_lost(other, v4(4), 5, "-i 0.02"), 0);
        int taken = 0;
        for (const Frame &seen : ear.seen())
            if (const auto packet = parse_packet(seen.bytes);
                packet && packet->echo && !seen.outgoing)
                taken++;
        EXPECT_EQ(taken, 0) << "frames that went to the thief";
    }
    // Again and again, while the neighbour talks.
    for (const std::string &thief : {c_[1], c_[2]}) {
        SCOPED_TRACE(thief);
        std::atomic<bool> stop = false;
        std::thread flap([&] {
            const RawPort port(thief, "eth0");
            while (!stop) {
                port.send(frame(everybody, mac(4), new_mark()));
                ::usleep(2'000);
            }
        });
        pings_lost(near, v4(3), 20, "-i 0.01 -W 0.1");
        stop = true;
        flap.join();
        ::usleep(20'000);
        say(near, mac(4));
        ::usleep(20'000);
        EXPECT_EQ(pings_lost(near, v4(3), 5, "-i 0.02"), 0);
        EXPECT_EQ(pings_lost(c_[2], v4(4), 5, "-i 0.02"), 0);
    }

    // A static entry stays what it is, and so does the MAC of the VTEP's device.
    entries();
    ASSERT_EQ(pings_lost(c_[1], v4(2)), 0);
    const std::string device =
        Json::parse(must(fmt::format("ip -n {} -j link show vxlan0", h_[1]))).at(0)["address"];
    for (const std::string &stolen : {mac(2), device}) {
        SCOPED_TRACE(stolen);
        Watch ear(c_[1], "eth0");
        const Bytes mark = new_mark(), last = new_mark();
        for (int i = 0; i < 5; i++)
            send_raw(c_[3], "eth0", frame(i % 2 == 0 ? mac(1) : everybody, stolen, mark));
        send_raw(c_[3], "eth0", frame(mac(1), mac(3), last));
        EXPECT_TRUE(ear.wait([&] { return ear.copies(last) > 0; }));
        EXPECT_EQ(ear.copies(mark), 0);
    }
    say(c_[2], mac(2), mac(1)); // host 2 has believed it
    ::usleep(20'000);
    Watch thief(c_[3], "eth0");
    EXPECT_EQ(pings_lost(c_[1], v4(2), 5, "-i 0.02"), 0);
    EXPECT_EQ(overheard(thief, true), 0);
    if (!kernel()) {
        const Json stats = statistics(1, "vxlan0");
        EXPECT_EQ(stats["drops"]["vxlan_entry_exists"], 5);
        EXPECT_EQ(stats["drops"]["local_mac"], 5);
    }
}

// Tags, as many as one likes, in front of those of another tenant's VLAN. Host 1 has a trunk with
// both tenants' VLANs, and one with a single VLAN.
TEST_P(HostileTags, LeadToNoOtherTenant)
{
    ASSERT_NO_FATAL_FAILURE(build({.tenants = true, .ipv6 = false}));
    constexpr std::uint32_t a = 0x81000000, ad = 0x88a80000, priority = 0xa000;
    const std::vector<std::vector<std::uint32_t>> stacks = {{a | 20},
                                                            {a | 10, a | 20},
                                                            {a | 0, a | 20},
                                                            {a | priority, a | 20},
                                                            {ad | 20},
                                                            {ad, a | 20},
                                                            {ad | 10, a | 20},
                                                            {ad | 20, a | 20},
                                                            {a | 20, a | 20},
                                                            {a | 20, ad | 20},
                                                            {a | 20, a | 10},
                                                            {a | 10, a | 10, a | 20},
                                                            {a | 4095},
                                                            {a, a, a | 20},
                                                            {ad, ad, a | 20},
                                                            {a | priority | 20},
                                                            {ad | priority, a | priority | 20}};
    std::vector<std::pair<std::string, std::string>> attackers = {{c_[1], "a plain port"}};
    std::string trunk, single;
    if (with_ports()) {
        for (auto *made : {&trunk, &single}) {
            const bool first = made == &trunk;
            *made = host(first ? "trunk" : "single");
            quiet(*made);
            wire(h_[1], first ? "t1" : "t2", *made, "eth0");
            if (xdp())
                in(*made, "ethtool -K eth0 tx off");
        }
        run(1, "port add t1 --vni 42 --vlan 10");
        run(1, "port add t1 --vni 43 --vlan 20");
        run(1, "port add t2 --vni 42 --vlan 10");
        attackers.emplace_back(single, "a trunk of VLAN 10");
    }
    for (const auto &[attacker, name] : attackers)
        for (const bool many : {false, true}) {
            Watch here(o_[1], "eth0"), there(o_[2], "eth0");
            std::optional<Watch> both;
            if (with_ports())
                both.emplace(trunk, "eth0");
            const Bytes mark = new_mark();
            const RawPort port(attacker, "eth0");
            for (const auto &stack : stacks) {
                // Of VLAN 20 alone on that trunk it may be, and belongs to nobody.
                Bytes bytes = octets_of_macs(many ? everybody : mac(82), "02:00:00:00:00:c1");
                for (const auto tag : stack)
                    put32(bytes, tag);
                put16(bytes, 0x88b5);
                put(bytes, marked(mark));
                port.send(bytes);
            }
            ::usleep(50'000);
            EXPECT_EQ(here.copies(mark), 0) << name;
            EXPECT_EQ(there.copies(mark), 0) << name;
            if (!both)
                continue;
            for (const Frame &seen : both->seen()) // what is in VLAN 20 there is VNI 43's
                EXPECT_FALSE(!seen.outgoing && seen.vlan == 20 && Watch::contains(seen, mark))
                    << name;
        }
    // The tenant's own frames do come.
    Watch there(o_[2], "eth0");
    const Bytes mark = new_mark();
    send_raw(o_[1], "eth0", frame(everybody, mac(81), mark));
    EXPECT_TRUE(there.wait([&] { return there.copies(mark) == 1; }));
}

const auto name = [](const auto &test) { return name_of(test.param); };
const std::vector<OverlayParameter> systems = {
    {System::kernel, Underlay::v4}, {System::ports, Underlay::v4}, {System::xdp, Underlay::v4}};
INSTANTIATE_TEST_SUITE_P(Overlays, HostileSources, ::testing::ValuesIn(systems), name);
INSTANTIATE_TEST_SUITE_P(Overlays, HostileTags, ::testing::ValuesIn(systems), name);
INSTANTIATE_TEST_SUITE_P(Overlays, HostileMacs,
                         ::testing::ValuesIn(std::vector<OverlayParameter>{
                             {System::kernel, Underlay::v4},
                             {System::bridge, Underlay::v4},
                             {System::ports, Underlay::v6},
                             {System::xdp, Underlay::v4}}),
                         name);

// One tenant's misses fill the queue of a listener that is slow; another's still find room.
class HostileMisses : public OverlayCase {};

TEST_P(HostileMisses, LeaveRoomForAnotherTenants)
{
    constexpr unsigned storm = 30'000; // the queue takes 18,000
    ASSERT_NO_FATAL_FAILURE(build({.defaults = OverlayPlan::Defaults::none,
                                   .tenants = true,
                                   .ipv6 = false,
                                   .options = "--l2miss --nolearning"}));
    const std::string out = file("heard");
    must(fmt::format("(exec setsid {0} -n {1} monitor > {2} 2>{2}.err) & echo $! > {2}.pid; "
                     "until grep -q ready {2}.err; do sleep 0.01; done; kill -STOP $(cat {2}.pid)",
                     xvtep(), h_[1], out),
         10);
    Bytes bytes = octets_of_macs("02:b1:00:00:00:00", mac(1));
    put16(bytes, 0x88b5);
    put(bytes, marked(new_mark()));
    blast(c_[1], "eth0", storm, bytes,
          [](Bytes &b, std::uint32_t number) { write_number(b, 2, number); });
    for (int n = 0; n < 100; n++) { // a few more than one
        Bytes other = octets_of_macs(fmt::format("02:b2:00:00:00:{:02x}", n), mac(81));
        put16(other, 0x88b5);
        put(other, marked(new_mark()));
        send_raw(o_[1], "eth0", other);
    }
    must(fmt::format("kill -CONT $(cat {0}.pid); n=0; until [ $(grep -c 02:b2: {0}) -ge 100 ] || "
                     "[ $n -ge 100 ]; do sleep 0.02; n=$((n+1)); done; kill $(cat {0}.pid)",
                     out),
         10);
    const auto count = [&](const char *what) {
        return std::stol(sh(fmt::format("grep -c \"{}\" {}", what, out)).text);
    };
    EXPECT_EQ(count("lladdr 02:b2:"), 100) << "of another tenant's misses";
    const long heard = count("lladdr 02:b1:");
    EXPECT_GT(heard, 8'000);
    EXPECT_LT(heard, 14'000) << "half of the queue, and a bit";
    EXPECT_EQ(Json::parse(run(1, "-j stats dev vxlan0")).at(0)["events_lost"].get<long>() + heard,
              storm);
}

INSTANTIATE_TEST_SUITE_P(Overlays, HostileMisses,
                         ::testing::ValuesIn(std::vector<OverlayParameter>{
                             {System::ports, Underlay::v4}}),
                         name);

} // namespace
} // namespace xvtep::test
