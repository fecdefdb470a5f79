// SPDX-License-Identifier: GPL-2.0-only
// Tables that are full become larger, by the command that fills them, while packets flow.

#include <linux/if_ether.h>

#include <fstream>
#include <set>
#include <thread>

#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/support/overlay_case.h"
#include "tests/support/traffic.h"
#include "tests/support/two_hosts.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/datapath.h"
#include "xvtep/fdb.h"

namespace xvtep::test {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

std::string directory_of(const std::string &host)
{
    return state_directory("/sys/fs/bpf", *Netns::open(host)->cookie());
}

Sizes sizes_of(const std::string &host)
{
    const auto sizes = Sizes::of(directory_of(host) + "/maps");
    EXPECT_TRUE(sizes) << (sizes ? "" : sizes.error().message());
    return sizes.value_or(Sizes{});
}

// Lines of a batch, for n in [from, to).
template <class Line> std::string lines(unsigned from, unsigned to, const Line &line)
{
    std::string text;
    for (unsigned n = from; n < to; n++)
        text += line(n) + "\n";
    return text;
}

std::string mac_of(unsigned n)
{
    return fmt::format("02:f0:00:{:02x}:{:02x}:{:02x}", n >> 16 & 255, n >> 8 & 255, n & 255);
}

std::string far_off(unsigned n)
{
    return fmt::format("10.{}.{}.{}", 100 + (n >> 16 & 127), n >> 8 & 255, n & 255);
}

class Growth : public OverlayCase {
  protected:
    void batch_of(int n, const std::string &text)
    {
        const std::string path = file("lines");
        std::ofstream(path) << text;
        must(fmt::format("{} -n {} -batch {}", xvtep(), h_[n], path), 60);
    }
    Json json(int n, const std::string &words) { return Json::parse(run(n, "-j " + words)); }
    unsigned fdb_count(int n)
    {
        const auto tables = Tables::open(directory_of(h_[n]));
        return tables ? static_cast<unsigned>(tables->fdb_count[0]) : 0;
    }
    // All sources of the frames that were sent meanwhile are known.
    void expect_learned(int n, NewSources &sources)
    {
        const unsigned sent = sources.end();
        EXPECT_GT(sent, 100U);
        ::usleep(50'000);
        std::set<std::string> known;
        for (const auto &line : json(n, "fdb show dev vxlan0"))
            known.insert(line["mac"].get<std::string>());
        std::vector<unsigned> missing;
        for (unsigned at = 0; at < sent; at++)
            if (!known.contains(sources.source(at)))
                missing.push_back(at);
        EXPECT_TRUE(missing.empty()) << fmt::format("of {}: {}", sent, fmt::join(missing, " "));
    }
    void expect_whole(int n)
    {
        EXPECT_FALSE(std::filesystem::exists(directory_of(h_[n]) + "/next"));
    }

    void grow_fdb();
    void grow_the_others();
};

// By a batch, and by the library.
void Growth::grow_fdb()
{
    const auto add = [&](unsigned n) {
        return fmt::format("fdb add {} dev vxlan0 dst {} static", mac_of(n), outer(2));
    };
    batch_of(1, lines(0, XV_FDB_START, add));
    EXPECT_EQ(sizes_of(h_[1]).fdb, __u32{8 * XV_FDB_START});
    EXPECT_GT(fdb_count(1), __u32{XV_FDB_START});

    std::vector<FdbEntry> entries(XV_FDB_START + 1000);
    for (unsigned n = 0; n < entries.size(); n++) {
        entries[n].mac = *Mac::parse(mac_of(n));
        entries[n].device = "vxlan0";
        entries[n].dst = *Ip::parse(outer(3));
        entries[n].state = FdbState::static_;
    }
    const auto netns = Netns::open(h_[2]);
    const auto scope = netns->enter();
    const auto result = write_fdb(FdbVerb::add, entries);
    EXPECT_TRUE(result.result) << result.written;
    EXPECT_EQ(sizes_of(h_[2]).fdb, __u32{8 * XV_FDB_START});
    EXPECT_GE(fdb_count(2), entries.size());
}

void Growth::grow_the_others()
{
    batch_of(1, lines(0, XV_NEIGHS_START + 10, [](unsigned n) {
                 return fmt::format("neigh add 10.21.{}.{} lladdr {} dev vxlan0", n >> 8, n & 255,
                                    mac_of(n));
             }));
    EXPECT_EQ(sizes_of(h_[1]).neighs, __u32{8 * XV_NEIGHS_START});
    // Each in a flood, and a remote of its own.
    batch_of(1, lines(0, XV_FLOODS_START + 100, [](unsigned n) {
                 return fmt::format("fdb append 01:00:5e:00:01:{:02x} dev vxlan0 dst {}", n / 400,
                                    far_off(n));
             }));
    EXPECT_EQ(sizes_of(h_[1]).floods, __u32{8 * XV_FLOODS_START});
    EXPECT_EQ(sizes_of(h_[1]).remotes, __u32{8 * XV_REMOTES_START});

    constexpr unsigned vteps = 70;
    batch_of(1, lines(0, vteps, [&](unsigned n) {
                 return fmt::format("attach u --vni {0} --name many{0} --local {1}", 1000 + n,
                                    outer(1));
             }));
    EXPECT_EQ(sizes_of(h_[1]).slots, __u32{8 * XV_SLOTS_START});
    if (!with_ports())
        return;
    std::string devices;
    for (unsigned n = 0; n < XV_PORTS_START + 6; n++)
        devices += fmt::format("link add port{0} up type veth peer name peer{0}\n", n);
    batch(h_[1], devices + "link add trunk0 up type veth peer name trunk1");
    batch_of(1, lines(0, XV_PORTS_START + 6, [](unsigned n) {
                 return fmt::format("port add port{} --vni {} --mode {}", n, 1000 + n,
                                    n % 16 == 0 ? "skb" : "tc");
             }));
    EXPECT_EQ(sizes_of(h_[1]).ports, __u32{8 * XV_PORTS_START});
    batch_of(1, lines(0, XV_VLANS_START + 6, [](unsigned n) {
                 return fmt::format("port add trunk0 --vni {} --vlan {}", 1000 + n % 70, 10 + n);
             }));
    EXPECT_EQ(sizes_of(h_[1]).vlans, __u32{8 * XV_VLANS_START});
    EXPECT_EQ(json(1, "port show").size(), 3 + 2U * (XV_PORTS_START + 6));
}

TEST_P(Growth, OfAllTablesLosesNothing)
{
    ASSERT_NO_FATAL_FAILURE(build({.tenants = true}));
    if (with_ports()) { // XDP on a port, too
        ip(h_[1], "link add alone0 up type veth peer name alone1");
        run(1, "port add alone0 --vni 43 --mode xdp");
    }
    run(1, "attach u --vni 49 --name vxlan9 --local " + outer(1) + " --l2miss");
    run(1, fmt::format("fdb add 02:00:00:00:11:01 dev vxlan0 dst {} router", outer(3)));
    run(1, fmt::format("fdb add 02:00:00:00:11:02 dev vxlan0 dst {} dynamic", outer(3)));
    run(1, "neigh add 10.20.1.77 lladdr 02:00:00:00:11:01 dev vxlan0");
    const std::string misses = file("misses");
    const Output monitor =
        sh(fmt::format("(exec {} -n {} monitor dev vxlan9 > {} 2>/dev/null) & echo $!; sleep 0.3",
                       xvtep(), h_[1], misses));
    ASSERT_EQ(pings_lost(c_[1], v4(2)), 0);
    ASSERT_EQ(pings_lost(c_[3], v4(1)), 0);
    ASSERT_EQ(pings_lost(o_[1], v4(82)), 0);
    const auto begin = Clock::now();
    {
        Watch tenant(o_[2], "eth0");
        Pinger first(c_[1], v4(2)), second(c_[3], v4(1)), tenants(o_[1], v4(82));
        TcpFlow stream(c_[1], c_[2], v4(2));
        {
            NewSources third(c_[1], mac(3), 0xa3, 1ms, 6000);
            ::usleep(100'000);
            run(3, fmt::format("attach u --vni 50 --local {} --fdb-size 200000", outer(3)));
            ::usleep(100'000);
            expect_learned(3, third);
        }
        EXPECT_EQ(sizes_of(h_[3]).fdb, __u32{8 * XV_FDB_START});
        grow_fdb(); // learning pauses while the table is half full
        NewSources sources(c_[3], mac(1), 0xa1, 1ms, 6000);
        grow_the_others();
        expect_learned(1, sources);
        stream.expect_none_lost();
        for (Pinger *pinger : {&first, &second, &tenants})
            pinger->expect_none_lost();
        EXPECT_EQ(overheard(tenant, false), 0);
        std::set<std::string> before;
        const auto least = std::chrono::floor<std::chrono::seconds>(Clock::now() - begin).count();
        const Json all = json(1, "-s fdb show dev vxlan0");
        const auto most = std::chrono::ceil<std::chrono::seconds>(Clock::now() - begin).count();
        for (const auto &line : all) {
            const std::string mac = line["mac"];
            if (!mac.starts_with("02:00:00:00:11:"))
                continue;
            before.insert(mac);
            EXPECT_GE(line["updated"].get<int>(), least - 1) << line;
            EXPECT_LE(line["updated"].get<int>(), most + 3) << line;
        }
        EXPECT_EQ(before.size(), 2U);
    }
    EXPECT_EQ(json(3, "stats dev vxlan0")[0]["not_learned"], 0);
    expect_whole(1);
    expect_whole(2);
    EXPECT_EQ(json(1, "neigh show dev vxlan0").size(), XV_NEIGHS_START + 11U);
    EXPECT_EQ(pings_lost(c_[2], v4(3)), 0);
    send_raw(h_[1], "vxlan9",
             Ether{.dst = "02:00:00:00:77:77", .src = mac(1).c_str(), .type = 0x88b5} /
                 marked(new_mark()));
    must("until grep -q 02:00:00:00:77:77 " + misses + "; do sleep 0.02; done", 5);
    sh("kill -TERM " + monitor.text);
    run(1, "detach u");
    EXPECT_FALSE(std::filesystem::exists(directory_of(h_[1])));
    EXPECT_EQ(sh(fmt::format("ip netns exec {} tc qdisc show | grep clsact", h_[1])).text, "");
}

INSTANTIATE_TEST_SUITE_P(All, Growth,
                         ::testing::Values(OverlayParameter{System::bridge, Underlay::v4},
                                           OverlayParameter{System::xdp, Underlay::v4}),
                         [](const auto &p) { return name_of(p.param); });

// Addresses directly on the VTEPs' devices.
class GrowthFaults : public TwoHosts {
  protected:
    void SetUp() override
    {
        TwoHosts::SetUp();
        if (IsSkipped())
            return;
        for (const auto &space : {a_, b_})
            in(space, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 "
                      "net.ipv6.conf.default.disable_ipv6=1");
        must(fmt::format("{} -n {} attach u --vni 42 --name vxlan0 --remote 192.168.8.100 --mac "
                         "02:00:00:00:00:02",
                         xvtep(), b_));
        ip(b_, "addr add 10.20.1.2/24 dev vxlan0");
        ip(b_, "neigh add 10.20.1.1 lladdr 02:00:00:00:00:01 dev vxlan0");
        attach();
    }
    void attach()
    {
        works("attach u --vni 42 --name vxlan0 --remote 192.168.8.101 --mac 02:00:00:00:00:01");
        ip(a_, "addr add 10.20.1.1/24 dev vxlan0");
        ip(a_, "neigh add 10.20.1.2 lladdr 02:00:00:00:00:02 dev vxlan0");
        ASSERT_EQ(pings_lost(a_, "10.20.1.2", 3, "-i 0.02"), 0);
    }
    Output batch(const std::string &text)
    {
        const std::string path = file("lines");
        std::ofstream(path) << text;
        return run("-batch " + path);
    }
    Output run_with(const std::string &environment, const std::string &words)
    {
        return sh(fmt::format("{} {} -n {} {}", environment, xvtep(), a_, words));
    }
    void expect_traffic() { EXPECT_EQ(pings_lost(a_, "10.20.1.2", 2, "-i 0.02"), 0); }
    unsigned neighs()
    {
        return static_cast<unsigned>(Json::parse(run("-j neigh show").text).size());
    }
};

TEST_F(GrowthFaults, AtCalls)
{
    const auto neigh = [](unsigned n) {
        return fmt::format("neigh add 10.21.{}.{} lladdr {} dev vxlan0", n >> 8, n & 255,
                           mac_of(n));
    };
    const std::string one_more = "neigh add 10.30.0.1 lladdr 02:00:00:00:11:01 dev vxlan0",
                      count_file = file("count");
    const auto fill = [&] {
        ASSERT_EQ(batch(lines(0, XV_NEIGHS_START, neigh)).status, 0);
        ASSERT_EQ(sizes_of(a_).neighs, __u32{XV_NEIGHS_START});
    };
    fill();
    ASSERT_EQ(
        run_with(fmt::format("XVTEP_FAULT_COUNT={} {}", count_file, XVTEP_FAULTS), one_more).status,
        0);
    EXPECT_EQ(sizes_of(a_).neighs, __u32{8 * XV_NEIGHS_START});
    unsigned calls = 0, points = 4;
    std::ifstream(count_file) >> calls;
    ASSERT_GT(calls, 100U);
    const char *const more = std::getenv("XVTEP_FAULT_POINTS");
    if (more != nullptr)
        points = static_cast<unsigned>(std::atoi(more));
    bool small = false;
    for (unsigned n = 0; n < 2 * points && (more != nullptr || !HasFailure()); n++) {
        const bool kills = n % 2 != 0;
        const unsigned at = 1 + (2 * (n / 2) + (kills ? 1 : 0)) * (calls - 1) / (2 * points);
        SCOPED_TRACE(fmt::format("call {} of {} {}", at, calls, kills ? "kills" : "fails"));
        if (!small) {
            works("detach u");
            attach();
            fill();
        }
        const Output output = run_with(
            fmt::format("XVTEP_FAULT={}:{} {}", at, kills ? 0 : ENOMEM, XVTEP_FAULTS), one_more);
        expect_traffic();
        small = sizes_of(a_).neighs == XV_NEIGHS_START;
        if (!kills) {
            EXPECT_TRUE(output.status == 0 || output.status == 2) << output.text;
            EXPECT_TRUE(output.status == 0 || std::ranges::count(output.text, '\n') == 1)
                << output.text;
            EXPECT_TRUE(output.status == 0 || neighs() == XV_NEIGHS_START) << output.text;
            EXPECT_TRUE(output.status == 0 ||
                        !std::filesystem::exists(directory_of(a_) + "/next") || !small)
                << output.text;
        }
        // The next writer finishes it, or takes it back. Another growth is not in its way.
        EXPECT_EQ(run("detach lo").text, "detach lo: no VNI is attached\n");
        EXPECT_FALSE(std::filesystem::exists(directory_of(a_) + "/next"));
        expect_traffic();
        EXPECT_EQ(neighs(), XV_NEIGHS_START + (output.status == 0 ? 1 : 0));
        small = sizes_of(a_).neighs == XV_NEIGHS_START;
    }
    works(one_more);
    EXPECT_EQ(sizes_of(a_).neighs, __u32{8 * XV_NEIGHS_START});
    expect_traffic();
}

// The kernel's device goes on learning what finds no room.
TEST_F(GrowthFaults, FramesOfSourcesThatFindNoRoomArrive)
{
    const auto statistics = [&] { return Json::parse(run("-j stats dev vxlan0").text)[0]; };
    const auto blast = [&](std::uint8_t prefix) {
        ip(b_, "link set vxlan0 promisc on");
        const Fd socket = socket_in(b_, AF_PACKET, SOCK_RAW);
        Watch here(a_, "vxlan0");
        const Bytes mark = new_mark();
        for (unsigned n = 0; n < 100; n++) {
            const std::string source = fmt::format("02:{:02x}:00:00:00:{:02x}", prefix, n);
            send_raw(b_, "vxlan0",
                     Ether{.dst = "02:00:00:00:00:01", .src = source.c_str(), .type = 0x88b5} /
                         marked(mark));
        }
        EXPECT_TRUE(here.wait([&] { return here.copies(mark) >= 100; }));
        EXPECT_EQ(here.copies(mark), 100);
    };
    const auto learned = [&](std::uint8_t prefix) {
        unsigned count = 0;
        for (const auto &line : Json::parse(run("-j fdb show dev vxlan0").text))
            count += line["mac"].get<std::string>().starts_with(fmt::format("02:{:02x}:", prefix));
        return count;
    };
    blast(0xb1);
    EXPECT_EQ(learned(0xb1), 100U);
    EXPECT_EQ(statistics()["not_learned"], 0);
    // The share of the table that learning may fill is full.
    const auto add = [](unsigned n) {
        return fmt::format("fdb add {} dev vxlan0 dst 192.168.8.9 static", mac_of(n));
    };
    const unsigned filled = XV_FDB_LEARNED(XV_FDB_START);
    EXPECT_EQ(batch(lines(0, filled, add)).status, 0);
    EXPECT_EQ(sizes_of(a_).fdb, __u32{XV_FDB_START});
    blast(0xb2);
    EXPECT_EQ(learned(0xb2), 0U);
    EXPECT_GE(statistics()["not_learned"].get<unsigned>(), 100U);
    EXPECT_THAT(run("stats dev vxlan0").text, ::testing::HasSubstr("not learned"));
    expect_traffic();

    // A command that fills the table makes it larger, and so does an option.
    const auto there = static_cast<unsigned>(Tables::open(directory_of(a_))->fdb_count[0]);
    const unsigned last = filled + XV_FDB_START - there;
    EXPECT_EQ(batch(lines(filled, last, add)).status, 0);
    EXPECT_EQ(sizes_of(a_).fdb, __u32{XV_FDB_START});
    works(add(last));
    EXPECT_EQ(sizes_of(a_).fdb, __u32{8 * XV_FDB_START});
    blast(0xb3);
    EXPECT_EQ(learned(0xb3), 100U);
    works("attach u --vni 50 --name vxlan1 --remote 192.168.8.101 --fdb-size 300000");
    EXPECT_GE(sizes_of(a_).fdb, 300'000U);
    EXPECT_EQ(learned(0xb1), 100U);
    expect_traffic();
}

TEST_F(GrowthFaults, TheLargestSizesAreRefusedInALine)
{
    const auto add = [](unsigned n) {
        return fmt::format("fdb add {} dev vxlan0 dst {} static", mac_of(n), far_off(n));
    };
    const Output filled = batch(lines(0, XV_REMOTES_MAX, add));
    EXPECT_NE(filled.status, 0);
    EXPECT_EQ(sizes_of(a_).remotes, __u32{XV_REMOTES_MAX});
    const Output output = run(add(XV_REMOTES_MAX + 1));
    EXPECT_EQ(output.status, 2);
    EXPECT_EQ(std::ranges::count(output.text, '\n'), 1) << output.text;
    EXPECT_THAT(output.text, ::testing::HasSubstr("full"));
    expect_traffic();
    const Output large = run("attach u --vni 50 --remote 192.168.8.101 --fdb-size 2000000");
    EXPECT_NE(large.status, 0);
    EXPECT_EQ(std::ranges::count(large.text, '\n'), 1) << large.text;
    EXPECT_EQ(run("-j show").text.find("\"vni\":50"), std::string::npos);
    expect_traffic();
}

} // namespace
} // namespace xvtep::test
