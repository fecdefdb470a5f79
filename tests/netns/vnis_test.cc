// SPDX-License-Identifier: GPL-2.0-only
// One device for many VNIs on host 1, and on hosts 2 and 3 the kernel's devices, one for each VNI.
// Both tenants have the same MACs and addresses. The tests with "kernel" have such devices on host
// 1 as well, and say what is right.
//
//    c5  c6     containers of the VNIs 1005 and 1006         d5[N], d6[N]: namespaces with the
//     a5 a6     x1: access ports of VLANs 5 and 6            kernel's device of host N, which is
//       tr                                                   the container, too
//       |
//   h1: br0 (no VLAN filtering), vxlan0     h2     h3
//             u                             u      u         192.168.8.N, fd08::N
//             +-------- sw: sw -------------+------+
//
// With "ports", c5 and c6 are local ports of host 1, and there is no bridge.
#include <fstream>
#include <thread>

#include <nlohmann/json.hpp>

#include "tests/support/overlay_case.h"
#include "user/lab/test_frame.h"
#include "user/lab/vlan.h"
#include "user/net/netlink.h"

namespace xvtep::test {
namespace {

enum class Near { kernel, bridge, xdp, ports };

struct VnisParameter {
    Near near;
    bool v6;
};

void PrintTo(const VnisParameter &p, std::ostream *out)
{
    static const char *const names[] = {"kernel", "bridge", "xdp", "ports"};
    *out << names[static_cast<int>(p.near)] << (p.v6 ? "_v6" : "_v4");
}

std::string name_of(const VnisParameter &p)
{
    return ::testing::PrintToString(p);
}

class Vnis : public NetnsCase, public ::testing::WithParamInterface<VnisParameter> {
  protected:
    static bool kernel() { return GetParam().near == Near::kernel; }
    static bool ports() { return GetParam().near == Near::ports; }
    [[nodiscard]] int mtu() const { return wide_ ? 1500 : GetParam().v6 ? 1430 : 1450; }
    // A device with a port takes no MTU that does not fit.
    [[nodiscard]] const char *lower() const { return wide_ ? "" : "dev u"; }
    static std::string outer(int n)
    {
        return fmt::format("{}{}", GetParam().v6 ? "fd08::" : "192.168.8.", n);
    }
    static std::string inner(int n) { return fmt::format("10.20.1.{}", n); }
    static std::string mac(int n) { return fmt::format("02:00:00:00:00:{:02x}", n); }

    std::string run(const std::string &words)
    {
        return must(fmt::format("{} -n {} {}", xvtep(), h_[1], words));
    }
    Output try_run(const std::string &words)
    {
        return sh(fmt::format("{} -n {} {}", xvtep(), h_[1], words));
    }
    static nlohmann::json json_of(const std::string &text) { return nlohmann::json::parse(text); }

    static int index_of(const std::string &host, const std::string &device)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        return static_cast<int>(::if_nametoindex(device.c_str()));
    }

    static void quiet(const std::string &host)
    {
        in(host,
           "sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1");
    }

    void build(const std::string &options = "", bool defaults = true)
    {
        sw_ = host("sw");
        quiet(sw_);
        ip(sw_, "link add sw type bridge mcast_snooping 0");
        ip(sw_, "link set sw up");
        for (int n = 1; n <= 3; n++) {
            h_[n] = host(fmt::format("h{}", n));
            if (!GetParam().v6)
                quiet(h_[n]);
            wire(h_[n], "u", sw_, fmt::format("s{}", n));
            ip(sw_, fmt::format("link set s{} master sw", n));
            ip(h_[n], fmt::format("addr add {}/{} dev u {}", outer(n), GetParam().v6 ? 64 : 24,
                                  GetParam().v6 ? "nodad" : ""));
        }
        if (GetParam().near == Near::xdp) {
            in(h_[1], "ethtool -K u tx off");
            in(sw_, "ethtool -K s1 gro on"); // a veth takes XDP frames only so
        }
        for (const int tenant : {5, 6})
            for (const int n : {2, 3})
                far(tenant, n);
        if (kernel())
            build_kernel(defaults);
        else
            build_near(options);
        for (const int tenant : {5, 6})
            if (!kernel() && defaults)
                for (const int n : {2, 3})
                    run(fmt::format("fdb append 00:00:00:00:00:00 dev vxlan0 src_vni {} dst {}",
                                    1000 + tenant, outer(n)));
    }

    // A container that is the kernel's device of a VNI on host `n`.
    void far(int tenant, int n)
    {
        const std::string made = host(fmt::format("d{}{}", tenant, n));
        d_[tenant][n] = made;
        quiet(made);
        ip(h_[n],
           fmt::format("link add vx{0} address {1} mtu {5} type vxlan id {0} dstport 4789 local "
                       "{2} {4} {3}",
                       1000 + tenant, mac(n), outer(n), GetParam().v6 ? "udpcsum" : "noudpcsum",
                       lower(), mtu()));
        ip(h_[n], fmt::format("link set vx{} netns {}", 1000 + tenant, made));
        ip(made, fmt::format("link set vx{} name eth0", 1000 + tenant));
        for (const int other : {1, 5 - n})
            must(fmt::format("bridge -n {} fdb append 00:00:00:00:00:00 dev eth0 dst {}", made,
                             outer(other)));
        ip(made, "link set eth0 up");
        ip(made, fmt::format("addr add {}/24 dev eth0", inner(n)));
    }

    // A container on host 1 with its veth's other end `device` in `where`.
    std::string container(int tenant, const std::string &where, const std::string &device)
    {
        const std::string made = host(fmt::format("c{}", tenant));
        quiet(made);
        must(fmt::format("ip link add {} netns {} mtu {} type veth peer name eth0 netns {} mtu {} "
                         "address {}",
                         device, where, mtu(), made, mtu(), mac(1)));
        ip(where, fmt::format("link set {} up", device));
        ip(made, "link set eth0 up");
        ip(made, fmt::format("addr add {}/24 dev eth0", inner(1)));
        return made;
    }

    void build_kernel(bool defaults)
    {
        for (const int tenant : {5, 6}) {
            ip(h_[1], fmt::format("link add br{} type bridge mcast_snooping 0", tenant));
            ip(h_[1],
               fmt::format("link add vx{0} mtu {4} type vxlan id {0} dstport 4789 local {1} {3} "
                           "{2}",
                           1000 + tenant, outer(1), GetParam().v6 ? "udpcsum" : "noudpcsum",
                           lower(), mtu()));
            for (const int n : {2, 3})
                if (defaults)
                    must(fmt::format("bridge -n {} fdb append 00:00:00:00:00:00 dev vx{} dst {}",
                                     h_[1], 1000 + tenant, outer(n)));
            c_[tenant] = container(tenant, h_[1], fmt::format("v{}", tenant));
            for (const std::string &device :
                 {fmt::format("v{}", tenant), fmt::format("vx{}", 1000 + tenant)})
                ip(h_[1], fmt::format("link set {} master br{} up", device, tenant));
            ip(h_[1], fmt::format("link set br{} up", tenant));
        }
    }

    void build_near(const std::string &options)
    {
        const bool xdp = GetParam().near == Near::xdp;
        run(fmt::format(
            "attach u --vni 1001-1010 --vlan 1-10 --name vxlan0 --local {} --mode {} {} "
            "{}",
            outer(1), xdp ? "xdp" : "tc", ports() ? "" : "--bridge br0", options));
        if (ports()) {
            for (const int tenant : {5, 6}) {
                c_[tenant] = container(tenant, h_[1], fmt::format("v{}", tenant));
                run(fmt::format("port add v{} --vni {}", tenant, 1000 + tenant));
            }
            return;
        }
        x_ = host("x1");
        quiet(x_);
        wire(h_[1], "tr", x_, "tr");
        ip(h_[1], "link set tr master br0");
        for (const int tenant : {5, 6}) {
            c_[tenant] = container(tenant, x_, fmt::format("a{}", tenant));
            const auto netns = Netns::open(x_);
            const auto scope = netns->enter();
            ASSERT_TRUE(connect_vlan(
                static_cast<int>(::if_nametoindex(fmt::format("a{}", tenant).c_str())),
                static_cast<int>(::if_nametoindex("tr")), static_cast<std::uint16_t>(tenant)));
        }
        for (const char *device : {"tr", "vxlan0"})
            must(fmt::format("until bridge -n {} link show dev {} | grep -q \"state forwarding\"; "
                             "do sleep 0.02; done",
                             h_[1], device),
                 10);
    }

    // Frames with the mark that come out of a container's device.
    static int copies(Watch &watch, const TestFrame &frame)
    {
        int count = 0;
        for (const Frame &seen : watch.seen())
            count += !seen.outgoing && frame.is_in(seen.bytes) ? 1 : 0;
        return count;
    }

    std::uint64_t counted(int vni, const std::string &key)
    {
        for (const auto &line : json_of(run("-j stats dev vxlan0")))
            if (line["vni"] == vni)
                return line["drops"].contains(key)    ? line["drops"][key]
                       : line["passed"].contains(key) ? line["passed"][key]
                                                      : line[key];
        return 0;
    }

    bool wide_ = false; // frames larger than fit
    std::string sw_, x_, h_[4], c_[8], d_[8][4];
};

// The tenants have the same addresses: who answers shows that they are kept apart.
class VnisOverV4 : public Vnis {}; // an IPv6 underlay fragments nothing
class XvtepVnis : public Vnis {};  // about tables, counters and commands of xvtep
class TaggedVnis : public Vnis {}; // frames come to xvtep's device itself

TEST_P(Vnis, TenantsReachTheirOwn)
{
    build();
    for (const int tenant : {5, 6})
        for (const int n : {2, 3}) {
            EXPECT_EQ(pings_lost(c_[tenant], inner(n)), 0) << tenant << " to " << n;
            EXPECT_EQ(pings_lost(d_[tenant][n], inner(1)), 0) << tenant << " from " << n;
        }
    // Frames of a known MAC go to its host alone, and to its tenant.
    Watch other(d_[6][2], "eth0"), third(sw_, "s3");
    ASSERT_EQ(pings_lost(c_[5], inner(2)), 0);
    other.forget();
    third.forget();
    ASSERT_EQ(pings_lost(c_[5], inner(2), 20, "-i 0.01"), 0);
    int seen = 0;
    for (const Frame &frame : other.seen())
        if (const auto packet = parse_packet(frame.bytes); packet && !frame.outgoing)
            seen += packet->echo ? 1 : 0; // its own container may ask for neighbours
    EXPECT_EQ(seen, 0) << "the other tenant";
    seen = 0;
    for (const Frame &frame : third.seen())
        if (const auto packet = parse_vxlan(frame.bytes); frame.outgoing && packet)
            seen += packet->inner.echo ? 1 : 0;
    EXPECT_EQ(seen, 0) << "the third host";
}

TEST_P(Vnis, FloodsReachEachHostOfTheTenantOnce)
{
    build();
    for (const int tenant : {5, 6}) {
        std::map<std::pair<int, int>, Watch> watches;
        for (const int t : {5, 6})
            for (const int n : {2, 3})
                watches.emplace(std::pair(t, n), Watch(d_[t][n], "eth0"));
        for (int repeat = 0; repeat < 2; repeat++) { // the second by what was learned
            const TestFrame frame =
                make_test_frame(*Mac::parse("ff:ff:ff:ff:ff:ff"), *Mac::parse(mac(1)), {});
            send_raw(c_[tenant], "eth0", frame.bytes);
            for (auto &[at, watch] : watches) {
                const int wanted = at.first == tenant ? 1 : 0;
                if (wanted != 0)
                    watch.wait([&, w = &watch] { return copies(*w, frame) == 1; });
            }
            ::usleep(20000);
            for (auto &[at, watch] : watches)
                EXPECT_EQ(copies(watch, frame), at.first == tenant ? 1 : 0)
                    << tenant << ": at " << at.first << " " << at.second;
        }
        // And what comes from there, once.
        Watch own(c_[tenant], "eth0"), other(c_[11 - tenant], "eth0");
        const TestFrame back =
            make_test_frame(*Mac::parse("ff:ff:ff:ff:ff:ff"), *Mac::parse(mac(2)), {});
        send_raw(d_[tenant][2], "eth0", back.bytes);
        own.wait([&] { return copies(own, back) == 1; });
        ::usleep(20000);
        EXPECT_EQ(copies(own, back), 1);
        EXPECT_EQ(copies(other, back), 0);
    }
}

class HostileVnis : public Vnis {};

// Tags, as many as one likes, in front of those of another tenant's VLAN, from either end.
TEST_P(HostileVnis, NoStackOfTagsLeadsToAnotherTenant)
{
    build();
    constexpr std::uint32_t a = 0x81000000, ad = 0x88a80000, priority = 0xa000;
    const std::vector<std::vector<std::uint32_t>> stacks = {
        {a | 6},         {a | 5, a | 6},  {a, a | 6},        {a | priority, a | 6}, {ad | 6},
        {ad, a | 6},     {ad | 6, a | 6}, {a | 6, ad | 6},   {a | 5, a | 5, a | 6}, {a | 6, a | 5},
        {ad, ad, a | 6}, {a, a, a | 6},   {a | priority | 6}};
    const auto tagged = [](const TestFrame &frame, const std::vector<std::uint32_t> &stack) {
        Bytes bytes(frame.bytes.begin(), frame.bytes.begin() + 12);
        for (const auto tag : stack)
            put32(bytes, tag);
        bytes.insert(bytes.end(), frame.bytes.begin() + 12, frame.bytes.end());
        return bytes;
    };
    for (const auto &attacker : {c_[5], d_[5][2]}) {
        Watch here(c_[6], "eth0"), there(d_[6][2], "eth0"), third(d_[6][3], "eth0");
        for (const char *to : {"ff:ff:ff:ff:ff:ff", "02:00:00:00:00:02", "02:00:00:00:00:01"}) {
            const TestFrame frame = make_test_frame(*Mac::parse(to), *Mac::parse(mac(9)), {});
            const RawPort port(attacker, "eth0");
            for (const auto &stack : stacks)
                port.send(tagged(frame, stack));
            ::usleep(30'000);
            for (Watch *watch : {&here, &there, &third})
                EXPECT_EQ(copies(*watch, frame), 0) << attacker << " to " << to;
        }
        // The tenant's own does come, tag and all.
        Watch own(attacker == c_[5] ? d_[5][2] : c_[5], "eth0");
        const TestFrame frame =
            make_test_frame(*Mac::parse("ff:ff:ff:ff:ff:ff"), *Mac::parse(mac(9)), {});
        send_raw(attacker, "eth0", tagged(frame, {a | 6}));
        EXPECT_TRUE(own.wait([&] { return copies(own, frame) == 1; })) << attacker;
    }
}

TEST_P(Vnis, CarriesStreamsAndSegments)
{
    build();
    for (const int tenant : {5, 6}) {
        ASSERT_EQ(pings_lost(c_[tenant], inner(2)), 0);
        UdpEar there(d_[tenant][2], inner(2), 7000), here(c_[tenant], inner(1), 7000);
        send_datagrams(c_[tenant], inner(2), 7000, 1000, 30);
        EXPECT_EQ(there.hear(30), (Datagrams{{{1000, 30}}, 0}));
        send_datagrams(d_[tenant][2], inner(1), 7000, 1000, 30);
        EXPECT_EQ(here.hear(30), (Datagrams{{{1000, 30}}, 0}));
        for (const auto &[from, to, address] : {std::tuple(c_[tenant], d_[tenant][2], inner(2)),
                                                std::tuple(d_[tenant][2], c_[tenant], inner(1))}) {
            const Stream stream = tcp_stream(from, to, address, 30 << 20, milliseconds(8000));
            EXPECT_EQ(stream.bytes, std::size_t{30} << 20);
            EXPECT_FALSE(stream.wrong);
        }
    }
}

TEST_P(Vnis, CarriesFragments)
{
    build();
    ASSERT_EQ(pings_lost(c_[5], inner(2)), 0);
    UdpEar there(d_[5][2], inner(2), 7000), here(c_[5], inner(1), 7000);
    send_datagrams(c_[5], inner(2), 7000, 5000, 3, false);
    EXPECT_EQ(there.hear(3), (Datagrams{{{5000, 3}}, 0}));
    send_datagrams(d_[5][2], inner(1), 7000, 5000, 3, false);
    EXPECT_EQ(here.hear(3), (Datagrams{{{5000, 3}}, 0}));
}

TEST_P(VnisOverV4, OuterPacketsAreFragmented)
{
    wide_ = true;
    build("--mtu 1500");
    ASSERT_EQ(pings_lost(c_[5], inner(2)), 0);
    const Bytes mark = new_mark();
    Bytes frame;
    put(frame, *Mac::parse(mac(2)));
    put(frame, *Mac::parse(mac(1)));
    put16(frame, 0x88b5); // no host answers it with an ICMP error
    put(frame, marked(mark, 1490));
    Watch far(d_[5][2], "eth0");
    send_raw(c_[5], "eth0", frame);
    EXPECT_TRUE(far.wait([&] { return far.copies(mark) == 1; }));
}

TEST_P(XvtepVnis, LearnsForEachVni)
{
    build("--maxaddress 4 --ageing 3");
    for (const int tenant : {5, 6})
        ASSERT_EQ(pings_lost(c_[tenant], inner(tenant == 5 ? 2 : 3)), 0);
    const auto entries = json_of(run("-j fdb show dev vxlan0"));
    const auto learned = [&](int vni, int n) {
        return std::ranges::count_if(entries, [&](const auto &entry) {
            return entry["src_vni"] == vni && entry["mac"] == mac(n) && entry["dst"] == outer(n) &&
                   entry["state"] == "";
        });
    };
    EXPECT_EQ(learned(1005, 2), 1);
    EXPECT_EQ(learned(1006, 3), 1);
    EXPECT_EQ(learned(1006, 2), 0);
    // The kernel's device has learned the same.
    const std::string kernels = must(fmt::format("bridge -n {} fdb show dev vxlan0", h_[1]));
    EXPECT_NE(kernels.find(fmt::format("{} dst {} src_vni 1005", mac(2), outer(2))),
              std::string::npos)
        << kernels;
    // At most four with the default entry, in each VNI.
    for (int n = 0x20; n < 0x2a; n++)
        send_raw(d_[5][2], "eth0",
                 make_test_frame(*Mac::parse(mac(1)), *Mac::parse(mac(n)), {}).bytes);
    ::usleep(100000);
    const std::string full = run("fdb show dev vxlan0 src_vni 1005");
    EXPECT_LE(std::ranges::count(full, '\n'), 5) << full; // the default entry has two lines
    must(fmt::format("for i in $(seq 100); do {} -n {} fdb show dev vxlan0 dynamic | grep -q . || "
                     "exit 0; sleep 0.1; done; exit 1",
                     xvtep(), h_[1]),
         15);
}

TEST_P(XvtepVnis, CountsForEachVni)
{
    build();
    ASSERT_EQ(pings_lost(c_[5], inner(2)), 0);
    const auto before5 = counted(1005, "tx_packets"), before6 = counted(1006, "tx_packets"),
               received = counted(1005, "rx_packets");
    ASSERT_EQ(pings_lost(c_[5], inner(2), 20, "-i 0.01"), 0);
    EXPECT_GE(counted(1005, "tx_packets"), before5 + 20);
    EXPECT_GE(counted(1005, "rx_packets"), received + 20);
    EXPECT_EQ(counted(1006, "tx_packets"), before6);
    const auto one = json_of(run("-j stats dev vxlan0 vni 1005"));
    ASSERT_EQ(one.size(), 1U);
    EXPECT_EQ(one[0]["vni"], 1005);
}

TEST_P(TaggedVnis, FrameWithoutAVniIsCountedAndDropped)
{
    build();
    Watch wire(sw_, "s1");
    for (const int vlan : {0, 99}) {
        const TestFrame stray = make_test_frame(
            *Mac::parse("ff:ff:ff:ff:ff:ff"), *Mac::parse(mac(1)),
            vlan != 0 ? std::optional(static_cast<std::uint16_t>(vlan)) : std::nullopt);
        send_raw(x_, "tr", stray.bytes);
        ::usleep(50000);
        EXPECT_EQ(copies(wire, stray), 0);
    }
    std::uint64_t drops = 0;
    for (const auto &line : json_of(run("-j stats dev vxlan0")))
        if (line["vni"].is_null())
            drops = line["drops"]["unknown_vlan"];
    EXPECT_GE(drops, 2U);
}

TEST_P(XvtepVnis, AnswersAndMissesForEachVni)
{
    build("--proxy --l2miss --l3miss --nolearning", false);
    run(fmt::format("neigh add {} lladdr {} dev vxlan0 vni 1005", inner(2), mac(2)));
    run(fmt::format("fdb add {} dev vxlan0 src_vni 1005 dst {}", mac(2), outer(2)));
    must(fmt::format("bridge -n {} fdb add {} dev eth0 dst {}", d_[5][2], mac(1), outer(1)));
    // Answers of c5 do not leave the host either.
    ip(d_[5][2], fmt::format("neigh replace {} lladdr {} dev eth0", inner(1), mac(1)));
    Watch wire(sw_, "s1");
    const std::string events = file("events");
    std::thread monitor([&] {
        sh(fmt::format("{} -n {} -j monitor dev vxlan0 --timeout 5 >{} 2>{}.ready", xvtep(), h_[1],
                       events, events));
    });
    must(fmt::format("for i in $(seq 100); do grep -q ready {}.ready && exit 0; sleep 0.05; done; "
                     "exit 1",
                     events));
    EXPECT_EQ(pings_lost(c_[5], inner(2)), 0);    // its ARP is answered here
    EXPECT_GT(pings_lost(c_[6], inner(2), 1), 0); // an l3miss in 1006
    for (const Frame &frame : wire.seen())
        if (const auto packet = parse_encapsulated(frame.bytes); packet && !frame.outgoing) {
            const auto &frame_inside = packet->inner;
            EXPECT_FALSE(frame_inside.size() > 14 && frame_inside[12] == 8 && frame_inside[13] == 6)
                << "ARP on the wire";
        }
    ip(c_[6], fmt::format("neigh replace {} lladdr {} dev eth0", inner(3), mac(3)));
    EXPECT_GT(pings_lost(c_[6], inner(3), 1), 0); // an l2miss in 1006
    monitor.join();
    const std::string text = must("cat " + events);
    EXPECT_NE(text.find(fmt::format("{{\"event\":\"l3miss\",\"ifname\":\"vxlan0\",\"vni\":1006,"
                                    "\"ip\":\"{}\"}}",
                                    inner(2))),
              std::string::npos)
        << text;
    EXPECT_NE(text.find(fmt::format("{{\"event\":\"l2miss\",\"ifname\":\"vxlan0\",\"vni\":1006,"
                                    "\"mac\":\"{}\"}}",
                                    mac(3))),
              std::string::npos)
        << text;
    const auto neighbours = json_of(run("-j neigh show dev vxlan0"));
    ASSERT_EQ(neighbours.size(), 1U);
    EXPECT_EQ(neighbours[0]["vni"], 1005);
    run("neigh flush dev vxlan0 vni 1006");
    EXPECT_EQ(json_of(run("-j neigh show dev vxlan0")).size(), 1U);
    run("neigh flush dev vxlan0");
    EXPECT_EQ(json_of(run("-j neigh show dev vxlan0")).size(), 0U);
}

TEST_P(XvtepVnis, VnisComeAndGoUnderTraffic)
{
    build();
    ASSERT_EQ(pings_lost(c_[5], inner(2)), 0);
    int lost = -1;
    std::thread pings([&] { lost = pings_lost(c_[5], inner(2), 150, "-i 0.01"); });
    for (int n = 0; n < 5; n++) {
        run("vni add dev vxlan0 vni 2001-2200 vlan 1001-1200");
        run("vni del dev vxlan0 vni 2001-2200");
    }
    pings.join();
    EXPECT_EQ(lost, 0);
    // What has gone is silent, and what comes again begins anew.
    run("vni del dev vxlan0 vni 1006");
    EXPECT_GT(pings_lost(c_[6], inner(2), 1), 0);
    EXPECT_EQ(run("fdb show dev vxlan0").find("src_vni 1006"), std::string::npos);
    EXPECT_EQ(must(fmt::format("bridge -n {} fdb show dev vxlan0", h_[1])).find("src_vni 1006"),
              std::string::npos);
    EXPECT_NE(try_run("fdb show dev vxlan0 src_vni 1006").text.find(""), std::string::npos);
    EXPECT_EQ(json_of(run("-j vni show dev vxlan0"))[0]["vnis"].size(), 2U);
    run(fmt::format("vni add dev vxlan0 vni 1006 vlan 6 remote {}", outer(2)));
    if (ports())
        run("port add v6 --vni 1006");
    EXPECT_EQ(pings_lost(c_[6], inner(2)), 0);
    EXPECT_EQ(pings_lost(c_[5], inner(2)), 0);
    run("detach vxlan0");
    EXPECT_EQ(run("show"), "");
}

std::vector<VnisParameter> vnis_of(const std::vector<Near> &nears, bool with_v6 = true)
{
    std::vector<VnisParameter> all;
    for (const Near near : nears)
        for (const bool v6 : {false, true})
            if (!v6 || (with_v6 && near != Near::xdp))
                all.push_back({near, v6});
    return all;
}

const auto vnis_name = [](const auto &test) { return name_of(test.param); };

INSTANTIATE_TEST_SUITE_P(
    All, Vnis, ::testing::ValuesIn(vnis_of({Near::kernel, Near::bridge, Near::xdp, Near::ports})),
    vnis_name);
INSTANTIATE_TEST_SUITE_P(
    All, VnisOverV4,
    ::testing::ValuesIn(vnis_of({Near::kernel, Near::bridge, Near::xdp, Near::ports}, false)),
    vnis_name);
INSTANTIATE_TEST_SUITE_P(All, HostileVnis,
                         ::testing::ValuesIn(vnis_of({Near::bridge, Near::xdp, Near::ports},
                                                     false)),
                         vnis_name);
INSTANTIATE_TEST_SUITE_P(All, XvtepVnis,
                         ::testing::ValuesIn(vnis_of({Near::bridge, Near::xdp, Near::ports})),
                         vnis_name);
INSTANTIATE_TEST_SUITE_P(All, TaggedVnis, ::testing::ValuesIn(vnis_of({Near::bridge, Near::xdp})),
                         vnis_name);

// Commands on one host.
class VnisCommands : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        a_ = host("a");
        wire(a_, "u", host("b"), "u");
        ip(a_, "addr add 192.168.8.1/24 dev u");
    }

    Output run(const std::string &words) const
    {
        return sh(fmt::format("{} -n {} {}", xvtep(), a_, words));
    }
    void works(const std::string &words) const
    {
        const Output output = run(words);
        EXPECT_EQ(output.status, 0) << words << "\n" << output.text;
    }
    // The command fails with one line, which has these words.
    void fails(const std::string &words, const std::string &cause) const
    {
        const Output output = run(words);
        EXPECT_NE(output.status, 0) << words;
        EXPECT_EQ(std::ranges::count(output.text, '\n'), 1) << output.text;
        EXPECT_NE(output.text.find(cause), std::string::npos) << words << "\n" << output.text;
    }
    // The VNIs of the kernel's device and those of xvtep, without VLANs.
    void expect_same_vnis() const
    {
        const auto ours = nlohmann::json::parse(run("-j vni show").text);
        auto theirs = nlohmann::json::parse(must(fmt::format("bridge -n {} -j vni show", a_)));
        auto plain = ours;
        for (auto &device : plain)
            for (auto &range : device["vnis"]) {
                range.erase("vlan");
                range.erase("vlanEnd");
            }
        EXPECT_EQ(plain, theirs);
    }

    std::string a_;
};

TEST_F(VnisCommands, ShowsRangesAsBridgeDoes)
{
    works("attach u --vni 1001-1005 --vlan 1-5 --vni 2001 --vlan 100 --name vxlan0 --remote "
          "192.168.8.2");
    expect_same_vnis();
    works("vni add dev vxlan0 vni 3001-3004 vlan 201-204 group 239.1.1.1");
    works("vni add vxlan0 vni 3005 vlan 205 remote 192.168.8.3");
    expect_same_vnis();
    EXPECT_EQ(run("vni show dev vxlan0").text,
              "dev               vni              vlan             group/remote\n"
              "vxlan0            1001-1005        1-5              192.168.8.2\n"
              "                  2001             100              192.168.8.2\n"
              "                  3001-3004        201-204          239.1.1.1\n"
              "                  3005             205              192.168.8.3\n");
    works("vni del dev vxlan0 vni 1003 vni 3002-3003");
    expect_same_vnis();
    const auto shown = nlohmann::json::parse(run("-j show").text);
    ASSERT_EQ(shown.size(), 1U);
    EXPECT_EQ(shown[0]["name"], "vxlan0");
    EXPECT_TRUE(shown[0]["vni"].is_null());
    EXPECT_EQ(shown[0]["vnis"][0],
              nlohmann::json::parse(R"({"vni":1001,"vniEnd":1002,"vlan":1,"vlanEnd":2,)"
                                    R"("remote":"192.168.8.2"})"));
    EXPECT_EQ(shown[0]["problems"], nlohmann::json::array());
    EXPECT_EQ(nlohmann::json::parse(run("-j show vni 2001").text).size(), 1U);
    EXPECT_EQ(nlohmann::json::parse(run("-j show vni 1003").text).size(), 0U);
    works("set vxlan0 local 192.168.8.9");
    works("reload");
    works("detach u vni 2001");
    expect_same_vnis();
    works("detach u");
    EXPECT_EQ(run("show").text, "");
    EXPECT_EQ(must(fmt::format("ip -n {} -o link show type vxlan", a_)), "");
}

TEST_F(VnisCommands, RefusesWhatCannotBe)
{
    fails("attach u --vni 1001-1005", "several VNIs need VLANs");
    fails("attach u --vni 1001-1005 --vlan 1-4", "not equally many");
    fails("attach u --vni 1001-1005 --vlan 4091-4095", "VLAN 4095 is not within 1 to 4094");
    fails("attach u --vni 1005-1001 --vlan 5-1", "end before they begin");
    fails("attach u --vni 1-2 --vlan 1-2 --vni 2-3 --vlan 3-4", "VNI 2 is given twice");
    fails("attach u --vni 1-2 --vlan 1-2 --vni 3-4 --vlan 2-3", "VLAN 2 is given twice");
    fails("attach u --vni 1-2 --vlan 1-2 --vlan 5", "more VLANs");
    fails("attach u --vni 16777215-16777216 --vlan 1-2", "VNI 16777216 is not within");
    fails("attach u --vni 1-2 --vlan 1-2 --gbp", "gbp needs a device for each VNI");
    fails("attach u --vni x-2 --vlan 1-2", "VNI x");
    fails("attach u --vni 1-2 --vlan -2", "VLAN");
    EXPECT_EQ(run("show").text, "");
    works("attach u --vni 1001-1005 --vlan 1-5 --name vxlan0");
    works("attach u --vni 42 --name vxlan1 --dstport 4790");
    fails("attach u --vni 1003 --name other", "VNI 1003 on port 4789 is attached already (vxlan0)");
    fails("attach u --vni 7 --name other", "port 4789 is taken");
    fails("vni add dev vxlan0 vni 1005 vlan 6", "VNI 1005 on port 4789 is attached already");
    fails("vni add dev vxlan0 vni 1006 vlan 5", "VLAN 5 on vxlan0 is VNI 1005 already");
    fails("vni add dev vxlan0 vni 1006", "need VLANs");
    fails("vni add dev vxlan0 vni 1006 vlan 6 remote fd00::1", "not of the device's family");
    fails("vni add dev vxlan0 vni 1006 vlan 6 group 10.0.0.1", "not multicast");
    fails("vni add dev vxlan1 vni 1006 vlan 6", "it has one VNI, 42");
    fails("vni del dev vxlan0 vni 1005-1006", "it has no VNI 1006");
    fails("vni add dev nothing vni 1006 vlan 6", "no such device");
    fails("fdb add 02:00:00:00:00:02 dev vxlan0 dst 192.168.8.2", "none is given (src_vni N)");
    fails("fdb add 02:00:00:00:00:02 dev vxlan0 src_vni 9 dst 192.168.8.2", "it has no VNI 9");
    works("fdb add 02:00:00:00:00:03 dev vxlan0 src_vni 1001 dst 192.168.8.2");
    works("fdb get 02:00:00:00:00:03 dev vxlan0 vni 1001"); // the word of bridge fdb get
    fails("fdb get 02:00:00:00:00:03 dev vxlan0 vni 1002", "no such entry");
    fails("fdb add 02:00:00:00:00:02 dev vxlan1 src_vni 9 dst 192.168.8.2", "its VNI is 42");
    fails("fdb add 02:00:00:00:00:02 dev vxlan0 src_vni 1001 dst 192.168.8.2 port 9", "no port");
    fails("fdb add 02:00:00:00:00:02 dev vxlan0 src_vni 1001 dst 192.168.8.2 via u", "no via");
    fails("neigh add 10.0.0.1 lladdr 02:00:00:00:00:02 dev vxlan0", "none is given (vni N)");
    fails("remote add 192.168.8.2 dev vxlan0", "none is given (vni N)");
    works("attach u --vni 2001 --vlan 1 --name vxlan2 --dstport 4791 --bridge br2");
    ip(a_, "link add port2 type veth peer name peer2");
    ip(a_, "link set port2 master br2");
    fails("port add port2 --vni 2001", "no VLAN filtering: take it out of the bridge");
    fails("port add port2 --vni 2001 --vlan 7", "no VLAN filtering: take it out of the bridge");
    fails("port add port2 --vni 1001", "give vlan 1, or take it out of the bridge");
    works("port add port2 --vni 1001 --vlan 1");
    works("vni del dev vxlan2 vni 2001");
    EXPECT_NE(run("show vxlan2").text.find("vxlan2: vni - dev u"), std::string::npos);
    works("detach vxlan2");
    works("remote add 192.168.8.2 dev vxlan0 vni 1001");
    works("remote del 192.168.8.2 dev vxlan0 vni 1001");
    expect_same_vnis();
}

// 4,094 VNIs are a second's work, also when it is cut off anywhere.
TEST_F(VnisCommands, WhatAKilledCommandLeavesIsPutRight)
{
    const std::string attach =
        "attach u --vni 1001-5094 --vlan 1-4094 --name vxlan0 --remote 192.168.8.2";
    works("attach u --vni 42 --name vxlan1 --dstport 4790"); // the data path stays
    for (const char *time : {"0.04", "0.09", "0.2"}) {
        sh(fmt::format("timeout -s KILL {} {} -n {} {}", time, xvtep(), a_, attach));
        works("attach u --vni 43 --name vxlan2 --dstport 4791");
        const auto shown = nlohmann::json::parse(run("-j show vxlan0").text, nullptr, false);
        if (shown.is_array() && !shown.empty()) {
            EXPECT_EQ(shown[0]["vnis"][0]["vniEnd"], 5094);
            works("detach vxlan0");
        }
        expect_same_vnis();
        works("detach vxlan2");
    }
    works("attach u --vni 1001-1010 --vlan 1-10 --name vxlan0 --remote 192.168.8.2");
    for (const char *time : {"0.01", "0.03", "0.1"}) {
        sh(fmt::format("timeout -s KILL {} {} -n {} vni add vxlan0 vni 2001-3000 vlan 1001-2000",
                       time, xvtep(), a_));
        works("vni add vxlan0 vni 7777 vlan 77");
        expect_same_vnis();
        run("vni add vxlan0 vni 2001-3000 vlan 1001-2000");
        sh(fmt::format("timeout -s KILL {} {} -n {} vni del vxlan0 vni 2001-3000", time, xvtep(),
                       a_));
        works("vni del vxlan0 vni 7777");
        expect_same_vnis();
        run("vni del vxlan0 vni 2001-3000");
        EXPECT_EQ(nlohmann::json::parse(run("-j vni show").text)[0]["vnis"].size(), 1U);
    }
    works("detach u");
    EXPECT_EQ(run("show").text, "");
}

} // namespace
} // namespace xvtep::test
