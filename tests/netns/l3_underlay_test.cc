// SPDX-License-Identifier: GPL-2.0-only
// Underlay ports without Ethernet headers, as those of WireGuard: here tun devices, between which a
// thread of the test hands packets on. The kernel's device says what is right.

#include <nlohmann/json.hpp>

#include "tests/support/traffic.h"
#include "tests/support/underlay_case.h"

namespace xvtep::test {
namespace {

using nlohmann::json;

class L3Underlay : public UnderlayCase, public ::testing::WithParamInterface<System> {
  protected:
    static bool kernel() { return GetParam() == System::kernel; }

    void build_tunnels(bool on_lo = false)
    {
        ASSERT_NO_FATAL_FAILURE(
            build(world_, GetParam(), {.direct = true, .l3 = true, .on_lo = on_lo}));
        open_flows(world_);
    }

    // Datagrams of all flows for so long; none may be lost for longer than `outage`, and none seen
    // by others. Returns how many were sent.
    template <class Change>
    std::size_t expect_flows(milliseconds time, milliseconds outage, Change change)
    {
        std::vector<Watch> third, tenant;
        for (int f = 0; f < families; f++) {
            third.emplace_back(world_.h[3], device(f));
            tenant.emplace_back(world_.c[1 - f][2], "eth0");
        }
        const std::size_t start = world_.flows[0]->sent();
        {
            const Steady steady(world_.flows);
            std::this_thread::sleep_for(time / 2);
            change();
            std::this_thread::sleep_for(time / 2);
        }
        const auto arrived = [&](const auto &flow) { return flow->loss(start + 10).after; };
        const auto deadline = Clock::now() + milliseconds(1000);
        do
            ::usleep(50'000);
        while (!std::ranges::all_of(world_.flows, arrived) && Clock::now() < deadline);
        for (std::size_t n = 0; n < world_.flows.size(); n++) {
            SCOPED_TRACE(
                fmt::format("{}, from host {}", family_name(static_cast<int>(n / 2)), n % 2 + 1));
            const auto loss = world_.flows[n]->loss(start + 10);
            EXPECT_EQ(loss.twice, 0);
            EXPECT_TRUE(loss.before);
            EXPECT_TRUE(loss.after);
            EXPECT_LE(loss.longest.count(), outage.count());
            EXPECT_EQ(third[n / 2].copies(world_.flows[n]->mark()), 0);
            EXPECT_EQ(tenant[n / 2].copies(world_.flows[n]->mark()), 0);
        }
        return world_.flows[0]->sent() - start;
    }
    void expect_flows(milliseconds time = milliseconds(300))
    {
        expect_flows(time, milliseconds(0), [] {});
    }

    // Packets that a device has received and sent, as the kernel counts them.
    static std::pair<long, long> count(const std::string &host, const std::string &device)
    {
        const auto netns = Netns::open(host);
        const auto scope = netns->enter();
        std::ifstream lines("/proc/thread-self/net/dev");
        for (std::string line; std::getline(lines, line);) {
            long bytes = 0, received = 0, sent = 0;
            const auto at = line.find(device + ":");
            if (at != std::string::npos && std::sscanf(line.c_str() + at + device.size() + 1,
                                                       "%ld %ld %*d %*d %*d %*d %*d %*d %*d %ld",
                                                       &bytes, &received, &sent) == 3)
                return {received, sent};
        }
        ADD_FAILURE() << host << " has no " << device;
        return {};
    }

    // What the kernel's devices have sent and received of their own.
    long by_kernel()
    {
        long sum = 0;
        for (int f = 0; f < families; f++)
            for (const int n : {1, 2}) {
                const auto [received, sent] = count(world_.h[n], device(f));
                sum += received + sent;
            }
        return sum;
    }

    json remotes(int n, int f)
    {
        return json::parse(
            must(fmt::format("{} -n {} -j remote show dev {}", xvtep(), world_.h[n], device(f))));
    }

    void expect_next_hops()
    {
        const Steady steady(world_.flows);
        for (int f = 0; f < families; f++) {
            const json all = remotes(1, f);
            ASSERT_EQ(all.size(), 1U) << all;
            EXPECT_EQ(all[0]["nexthops"],
                      json::parse(R"([{"dev": "u", "mac": null, "weight": 1}])"));
            EXPECT_EQ(all[0]["mtu"], 1500);
        }
        const std::string text = must(fmt::format("{} -n {} remote show", xvtep(), world_.h[1]));
        EXPECT_NE(text.find("nexthop dev u mtu"), std::string::npos) << text;
    }

    World world_;
};

TEST_P(L3Underlay, PacketsOfAllKinds)
{
    ASSERT_NO_FATAL_FAILURE(build_tunnels());
    expect_flows(); // all is learned
    const long before = by_kernel();
    const std::size_t sent = expect_flows(milliseconds(600), milliseconds(0), [] {});
    if (!kernel()) { // one packet in a second of each flow, each way
        EXPECT_LT(by_kernel() - before, static_cast<long>(sent));
        expect_next_hops();
    }
    for (int f = 0; f < families; f++) {
        SCOPED_TRACE(family_name(f));
        Watch third(world_.h[3], device(f)), tenant(world_.c[1 - f][2], "eth0");
        const auto overheard = [&] {
            int frames = 0;
            for (Watch *watch : {&third, &tenant})
                for (const auto &frame : watch->seen())
                    frames += frame.outgoing ? 0 : 1;
            return frames;
        };
        for (const bool there : {true, false}) {
            const auto stream = tcp_stream(world_.c[f][there ? 1 : 2], world_.c[f][there ? 2 : 1],
                                           inner(there ? 2 : 1), 4 << 20);
            EXPECT_EQ(stream.bytes, 4U << 20) << there;
            EXPECT_FALSE(stream.wrong);
        }
        const auto hears = [&](std::size_t segment, int count, bool gso) {
            UdpEar ear(world_.c[f][2], inner(2), 9100);
            send_datagrams(world_.c[f][1], inner(2), 9100, segment, count, gso);
            EXPECT_EQ(ear.hear(count), (Datagrams{.sizes = {{segment, count}}}));
        };
        hears(1200, 40, true);
        hears(1402, 46, true);
        hears(8, 60, true);
        hears(4000, 5, false); // fragments inside
        EXPECT_EQ(overheard(), 0);

        const RawPort out(world_.c[f][1], "eth0");
        Watch far_end(world_.c[f][2], "eth0");
        const std::string to = mac(f, 2), from = mac(f, 1);
        const auto arrives = [&](const char *what, unsigned type, auto body) {
            const Bytes mark = new_mark();
            out.send(Ether{.dst = to.c_str(), .src = from.c_str(), .type = type} /
                     body(marked(mark)));
            EXPECT_TRUE(far_end.wait([&] { return far_end.copies(mark) > 0; })) << what;
            EXPECT_EQ(far_end.copies(mark), 1) << what;
            for (Watch *watch : {&third, &tenant})
                EXPECT_EQ(watch->copies(mark), 0) << what;
        };
        const auto behind = [](Bytes header) {
            return [header](const Bytes &rest) {
                Bytes all = header;
                put(all, rest);
                return all;
            };
        };
        for (int n = 0; n < 2; n++) { // also where a path is known
            arrives("IPv4", 0x0800, [](const Bytes &rest) {
                return Ipv4{.src = "10.20.1.1", .dst = "10.20.1.2"} / (Udp{} / rest);
            });
            arrives("IPv6", 0x86dd, [](const Bytes &rest) {
                return Ipv6{.src = "fd20::1", .dst = "fd20::2"} / (Udp{} / rest);
            });
            arrives("ARP", 0x0806, behind(arp_request()));
            arrives("another protocol", 0x88b5, behind({}));
            arrives("a length", 60, behind({}));
            arrives("tag", 0x8100, behind({0, 5, 0x08, 0x00}));
            arrives("tag, not IP", 0x8100, behind({0, 5, 0x88, 0xb5}));
            arrives("two tags", 0x88a8, behind({0, 5, 0x81, 0, 0, 6, 0x86, 0xdd}));
            arrives("three tags", 0x88a8, behind({0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, 0x88, 0xb5}));
        }
    }
}

class L3Changes : public L3Underlay {};

TEST_P(L3Changes, RoutesLeadElsewhere)
{
    ASSERT_NO_FATAL_FAILURE(build_tunnels(true));
    expect_flows();
    const auto route_by = [&](const std::string &port) {
        for (const int n : {1, 2}) {
            std::string lines;
            for (int f = 0; f < families; f++)
                lines +=
                    fmt::format("route replace {} {} dev {} metric 10\n", own(f, 3 - n) + whole(f),
                                port == "v" ? "via " + side(f, 3 - n) : "", port);
            batch(world_.h[n], lines);
        }
    };
    const auto tunnelled = [&] { return world_.hub->towards(0) + world_.hub->towards(1); };
    const milliseconds most(kernel() ? 1000 : 250); // it takes the kernel's device no time
    const std::size_t at_first = tunnelled();
    expect_flows(milliseconds(600), most, [&] { route_by("v"); });
    const std::size_t in_between = tunnelled();
    EXPECT_GT(in_between, at_first);
    expect_flows(milliseconds(600), most, [&] { ip(world_.h[1], "link set u down"); });
    EXPECT_LT(tunnelled() - in_between, 20U);
    ip(world_.h[1], "link set u up");
    expect_flows(milliseconds(600), most, [&] { route_by("u"); });
    EXPECT_GT(tunnelled(), in_between + 100);

    // Both at once.
    for (const int n : {1, 2})
        for (int f = 0; f < families; f++)
            ip(world_.h[n],
               fmt::format("route replace {} metric 10 nexthop via {} dev u nexthop via {} dev v",
                           own(f, 3 - n) + whole(f), near(f, 3 - n), side(f, 3 - n)));
    expect_flows(milliseconds(1200), milliseconds(300), [] {});
    if (kernel())
        return;
    for (int f = 0; f < families; f++) {
        const std::size_t tunnelled_before = world_.hub->towards(1);
        const long wired_before = count(world_.h[1], "v").second;
        UdpEar ear(world_.c[f][2], inner(2), 9200);
        for (int flow = 0; flow < 40; flow++)
            send_datagrams(world_.c[f][1], inner(2), 9200, 100, 3, false);
        EXPECT_EQ(ear.hear(120), (Datagrams{.sizes = {{100, 120}}}));
        EXPECT_GT(world_.hub->towards(1) - tunnelled_before, 10U) << family_name(f);
        EXPECT_GT(count(world_.h[1], "v").second - wired_before, 10) << family_name(f);
        const json hops = remotes(1, f)[0]["nexthops"];
        ASSERT_EQ(hops.size(), 2U) << hops;
        for (const auto &hop : hops)
            EXPECT_EQ(hop["mac"].is_null(), hop["dev"] == "u") << hops;
    }
}

// Down and up, another name, gone: nothing is left that anything stumbles over.
TEST_P(L3Changes, OfTheDevice)
{
    ASSERT_NO_FATAL_FAILURE(build_tunnels());
    expect_flows();
    batch(world_.h[1], "link set u down\nlink set u up\n");
    for (int f = 0; f < families; f++) // IPv6 loses it
        ip(world_.h[1], fmt::format("addr replace {}{} dev u", near(f, 1), net(f)));
    expect_flows();
    batch(world_.h[1], "link set u down\nlink set u name tunnel\nlink set tunnel up\n");
    expect_flows();
    if (kernel())
        return;
    const std::string run = fmt::format("{} -n {} ", xvtep(), world_.h[1]);
    const auto problems = [&] { return json::parse(must(run + "-j show"))[0]["problems"]; };
    EXPECT_EQ(problems(), json::array());
    must(run + "reload");
    EXPECT_EQ(problems(), json::array());
    expect_flows();
    for (const char *hook : {"ingress", "egress"}) { // with clsact, where there is no TCX
        const auto index = in(world_.h[1], "cat /sys/class/net/tunnel/ifindex");
        const std::string pin =
            fmt::format("/sys/fs/bpf/xvtep/*/links/{}_{}", std::stoi(index), hook);
        if (sh("test -e " + pin).status != 0)
            continue;
        must("rm " + pin);
        EXPECT_EQ(problems()[0]["object"], fmt::format("xvtep_tc_l3_{}", hook));
        must(run + "reload");
        EXPECT_EQ(problems(), json::array());
    }
    expect_flows();
    world_.hub->stop(); // the kernel deletes the VTEPs' devices, too
    EXPECT_EQ(problems()[0]["kind"], "device_gone");
    must(run + fmt::format("detach {}", device(0)));
    EXPECT_EQ(must(run + "-j show"), "[]\n"); // the other one was in the way
    const auto gone = sh(run + "attach u --vni 42");
    EXPECT_EQ(gone.status, 2);
    EXPECT_EQ(gone.text, "attach u: no such device\n");
}

// What a tunnel's far end may send: the stack gets it, and nobody else.
TEST_P(L3Changes, PacketsThatLie)
{
    ASSERT_NO_FATAL_FAILURE(build_tunnels());
    expect_flows();
    for (int f = 0; f < families; f++) {
        SCOPED_TRACE(family_name(f));
        Watch far_end(world_.c[f][1], "eth0"), tenant(world_.c[1 - f][1], "eth0");
        const std::string to = mac(f, 1), from = mac(f, 2);
        const std::string src = near(f, 2), dst = near(f, 1);
        const auto packet = [&](const Bytes &mark) {
            const Bytes frame =
                Ether{.dst = to.c_str(), .src = from.c_str(), .type = 0x88b5} / marked(mark, 80);
            const Bytes udp =
                Udp{.src = 4000, .dst = 4789, .from = src.c_str(), .to = dst.c_str()} /
                (Vxlan{.vni = static_cast<std::uint32_t>(vni(f))} / frame);
            return f == 0 ? Ipv4{.src = src.c_str(), .dst = dst.c_str()} / udp
                          : Ipv6{.src = src.c_str(), .dst = dst.c_str()} / udp;
        };
        const auto copies = [&](auto change) {
            const Bytes mark = new_mark(), last = new_mark();
            Bytes changed = packet(mark);
            change(changed);
            world_.hub->inject(0, changed);
            world_.hub->inject(0, packet(last)); // the same way, behind it
            EXPECT_TRUE(far_end.wait([&] { return far_end.copies(last) == 1; }));
            EXPECT_EQ(tenant.copies(mark) + tenant.copies(last), 0);
            return far_end.copies(mark);
        };
        const std::size_t length_at = f == 0 ? 2 : 4, headers = f == 0 ? 20 : 40;
        EXPECT_EQ(copies([](Bytes &) {}), 1);
        for (const unsigned nibble : {0U, 3U, 5U, 15U, f == 0 ? 6U : 4U})
            EXPECT_EQ(copies([&](Bytes &p) {
                          p[0] = static_cast<std::uint8_t>(nibble << 4 | (p[0] & 15));
                      }),
                      0)
                << nibble;
        for (std::size_t size : {std::size_t{1}, std::size_t{19}, headers - 1, headers, headers + 8,
                                 headers + 15, headers + 16, headers + 29, headers + 60})
            EXPECT_EQ(copies([&](Bytes &p) { p.resize(size); }), 0) << size;
        // Longer than it is, and shorter: the kernel trims it.
        EXPECT_EQ(copies([&](Bytes &p) { p[length_at] = 0xff; }), 0);
        EXPECT_EQ(copies([&](Bytes &p) { put(p, Bytes(40, 0xaa)); }), 1);
        EXPECT_EQ(copies([&](Bytes &p) { // an Ethernet frame
                      p.insert(p.begin(), {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2});
                  }),
                  0);
        EXPECT_EQ(copies([&](Bytes &p) { // one whose first octet is that of a version
                      p.insert(p.begin(), {0x46, 0, 0, 0, 0, 1, 0x62, 0, 0, 0, 0, 2, 8, 0});
                  }),
                  0);
        if (f == 0) {
            EXPECT_EQ(copies([&](Bytes &p) { p[10] ^= 1; }), 0); // the header's checksum
            EXPECT_EQ(copies([&](Bytes &p) { p[0] = 0x44; }), 0);
        }
    }
    expect_flows();
}

// A frame that does not fit comes back as an ICMP error with the right size; and the size that a
// VTEP's device has by itself.
TEST_P(L3Changes, Mtus)
{
    ASSERT_NO_FATAL_FAILURE(build_tunnels());
    expect_flows();
    batch(world_.h[1], "link set u mtu 1300\n");
    for (int f = 0; f < families; f++) {
        SCOPED_TRACE(family_name(f));
        const int fits = 1300 - (f == 0 ? 50 : 70);
        const auto told = sh(fmt::format("ip netns exec {} ping -M do -c 3 -i 0.05 -W 1 -s 1372 {}",
                                         world_.c[f][1], inner(2)));
        EXPECT_NE(told.text.find(fmt::format("mtu = {}", fits)), std::string::npos) << told.text;
        EXPECT_EQ(
            pings_lost(world_.c[f][1], inner(2), 3, fmt::format("-i 0.05 -M do -s {}", fits - 28)),
            0);
        if (f == 0) { // fragments outside; there are none of IPv6
            EXPECT_EQ(pings_lost(world_.c[f][1], inner(2), 3, "-i 0.05 -M dont -s 1372"), 0);
        }
        const std::string made = fmt::format("made{}", f);
        if (kernel())
            ip(world_.h[1], fmt::format("link add {} type vxlan id 77{} dstport 4789 local {} "
                                        "dev u remote {}",
                                        made, f, near(f, 1), near(f, 2)));
        else
            must(fmt::format("{} -n {} attach u --vni 77{} --name {} --remote {}", xvtep(),
                             world_.h[1], f, made, near(f, 2)));
        EXPECT_EQ(in(world_.h[1], fmt::format("cat /sys/class/net/{}/mtu", made)),
                  fmt::format("{}\n", fits));
    }
    if (kernel())
        return;
    for (const char *mode : {"xdp", "skb"}) {
        const auto refused =
            sh(fmt::format("{} -n {} attach u --vni 5 --mode {}", xvtep(), world_.h[1], mode));
        EXPECT_EQ(refused.status, 2);
        EXPECT_EQ(refused.text, fmt::format("attach u: mode {} needs an Ethernet device (this one "
                                            "has mode tc)\n",
                                            mode));
    }
    const std::string run = fmt::format("{} -n {} ", xvtep(), world_.h[1]);
    must(run + "attach lo --vni 5 --local 127.0.0.1"); // as the kernel's device
    EXPECT_EQ(must(run + "detach lo"), "");
}

const auto name_of_test = [](const auto &test) { return std::string(name_of(test.param)); };
INSTANTIATE_TEST_SUITE_P(All, L3Underlay,
                         ::testing::Values(System::kernel, System::bridge, System::ports),
                         name_of_test);
INSTANTIATE_TEST_SUITE_P(Some, L3Changes, ::testing::Values(System::kernel, System::ports),
                         name_of_test);

} // namespace
} // namespace xvtep::test
