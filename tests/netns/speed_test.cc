// SPDX-License-Identifier: GPL-2.0-only
// xvtep beside the kernel's vxlan device and bridge on the same machine, rounds in turn, medians.
// The bounds here catch a lost fast path, not a percent: bench/README.md has the figures and says
// how to measure them.

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/udp.h>
#include <net/if.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <cstring>

#include <nlohmann/json.hpp>

#include "tests/support/netns_case.h"
#include "user/base/fd.h"
#include "user/net/netlink.h"
#include "xvtep/ip.h"
#include "xvtep/wire.h"

namespace xvtep::test {
namespace {

int rounds()
{
    const char *text = std::getenv("XVTEP_SPEED_ROUNDS");
    return text != nullptr ? std::atoi(text) : 3;
}

double median(std::vector<double> values)
{
    std::ranges::sort(values);
    return values[values.size() / 2];
}

void report(const char *what, const char *unit, const std::vector<double> &kernel,
            const std::vector<double> &ours)
{
    std::printf("%s: xvtep %.2f %s (%.2f to %.2f), kernel %.2f (%.2f to %.2f), ratio %.2f\n", what,
                median(ours), unit, std::ranges::min(ours), std::ranges::max(ours), median(kernel),
                std::ranges::min(kernel), std::ranges::max(kernel), median(ours) / median(kernel));
}

bpf_insn insn(int code, int dst, int src, int off, int imm)
{
    bpf_insn made{};
    made.code = static_cast<__u8>(code);
    made.dst_reg = static_cast<__u8>(dst & 0xf);
    made.src_reg = static_cast<__u8>(src & 0xf);
    made.off = static_cast<__s16>(off);
    made.imm = imm;
    return made;
}

// XDP: out of device `ifindex`.
Fd generator(int ifindex)
{
    const bpf_insn code[] = {
        insn(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, ifindex),
        insn(BPF_ALU64 | BPF_MOV | BPF_K, 2, 0, 0, 0),
        insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect),
        insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    return Fd(bpf_prog_load(BPF_PROG_TYPE_XDP, "generator", "GPL", code, std::size(code), nullptr));
}

// TC: counts into the array `map` and drops.
Fd counter(int map)
{
    const bpf_insn code[] = {
        insn(BPF_ST | BPF_MEM | BPF_W, 10, 0, -4, 0),
        insn(BPF_ALU64 | BPF_MOV | BPF_X, 2, 10, 0, 0),
        insn(BPF_ALU64 | BPF_ADD | BPF_K, 2, 0, 0, -4),
        insn(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map),
        insn(0, 0, 0, 0, 0),
        insn(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_map_lookup_elem),
        insn(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 2, 0),
        insn(BPF_ALU64 | BPF_MOV | BPF_K, 1, 0, 0, 1),
        insn(BPF_STX | BPF_ATOMIC | BPF_DW, 0, 1, 0, BPF_ADD),
        insn(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 2 /* TC_ACT_SHOT */),
        insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    return Fd(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "counter", "GPL", code, std::size(code),
                            nullptr));
}

Mac mac_of(const std::string &ns, const std::string &device)
{
    const auto netns = Netns::open(ns);
    const auto scope = netns->enter();
    auto netlink = Netlink::open();
    return netlink->link(device)->mac;
}

void fill_ip(iphdr &ip, std::size_t size, const char *from, const char *to)
{
    ip.version = 4;
    ip.ihl = 5;
    ip.tot_len = htons(static_cast<std::uint16_t>(size));
    ip.ttl = 64;
    ip.protocol = IPPROTO_UDP;
    std::memcpy(&ip.saddr, Ip::parse(from)->bytes(), 4);
    std::memcpy(&ip.daddr, Ip::parse(to)->bytes(), 4);
    std::array<std::uint8_t, sizeof(ip)> bytes{};
    std::memcpy(bytes.data(), &ip, sizeof(ip));
    std::uint32_t sum = 0;
    for (unsigned i = 0; i < sizeof(ip); i += 2)
        sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
    sum = (sum & 0xffff) + (sum >> 16);
    ip.check = htons(static_cast<std::uint16_t>(~(sum + (sum >> 16))));
}

// A 64-byte frame of IPv4 and UDP in VXLAN, VNI 42, from 192.168.8.101 to 192.168.8.100.
std::vector<std::uint8_t> frame(const Mac &outer, const Mac &inner)
{
    constexpr std::size_t inner_size = 64;
    struct {
        ethhdr eth;
        iphdr ip;
        udphdr udp;
        xv_vxlan_header vxlan;
        ethhdr inner_eth;
        iphdr inner_ip;
        udphdr inner_udp;
        std::uint8_t payload[inner_size - sizeof(ethhdr) - sizeof(iphdr) - sizeof(udphdr)];
    } __attribute__((packed)) f{};
    std::ranges::copy(outer.octets, f.eth.h_dest);
    f.eth.h_source[0] = 2;
    f.eth.h_proto = htons(ETH_P_IP);
    iphdr ip{};
    fill_ip(ip, sizeof(f) - sizeof(f.eth), "192.168.8.101", "192.168.8.100");
    f.ip = ip;
    f.udp.source = htons(50000);
    f.udp.dest = htons(XV_VXLAN_PORT);
    f.udp.len = htons(sizeof(f) - sizeof(f.eth) - sizeof(f.ip));
    f.vxlan.flags = htonl(XV_VXLAN_FLAG_VNI);
    f.vxlan.vni = htonl(42U << 8);
    std::ranges::copy(inner.octets, f.inner_eth.h_dest);
    f.inner_eth.h_source[0] = 2;
    f.inner_eth.h_source[5] = 9;
    f.inner_eth.h_proto = htons(ETH_P_IP);
    iphdr inner_ip{};
    fill_ip(inner_ip, inner_size - sizeof(ethhdr), "10.20.1.9", "10.20.1.2");
    f.inner_ip = inner_ip;
    f.inner_udp.source = htons(1000);
    f.inner_udp.dest = htons(2000);
    f.inner_udp.len = htons(sizeof(udphdr) + sizeof(f.payload));
    const auto *bytes = reinterpret_cast<const std::uint8_t *>(&f);
    return {bytes, bytes + sizeof(f)};
}

class Speed : public NetnsCase {
  protected:
    // generator g0 == u0 host v -- eth0 container. Delivered frames a second, in millions.
    struct Receiver {
        std::string generator, host, container;
        Fd map, counter, program;
        std::vector<std::uint8_t> packet;
    };

    void build(Receiver &r, const std::string &name, bool xvtep_end)
    {
        r.generator = host(name + "g");
        r.host = host(name + "h");
        r.container = host(name + "c");
        wire(r.generator, "g0", r.host, "u0");
        wire(r.host, "v", r.container, "eth0");
        ip(r.host, "addr add 192.168.8.100/24 dev u0");
        // veth takes XDP frames only where its NAPI runs; GRO switches that on.
        in(r.host, "ethtool -K u0 gro on");
        if (xvtep_end) {
            must(fmt::format("{} -n {} attach u0 --vni 42 --name vxlan0 --remote 192.168.8.101 "
                             "--bridge br0 --mode xdp --nolearning",
                             xvtep(), r.host));
        } else {
            ip(r.host, "link add vxlan0 type vxlan id 42 dev u0 local 192.168.8.100 remote "
                       "192.168.8.101 dstport 4789 noudpcsum nolearning");
            ip(r.host, "link add br0 type bridge");
            ip(r.host, "link set br0 up");
            ip(r.host, "link set vxlan0 master br0 up");
        }
        ip(r.host, "link set v master br0");
        if (xvtep_end)
            must(fmt::format("{} -n {} port add v --vni 42", xvtep(), r.host));
        ip(r.container, "addr add 10.20.1.2/24 dev eth0");
        sh(fmt::format("ip netns exec {} ping -c 1 -W 1 10.20.1.9", r.container)); // teaches the MAC
        r.packet = frame(mac_of(r.host, "u0"), mac_of(r.container, "eth0"));

        r.map.reset(bpf_map_create(BPF_MAP_TYPE_ARRAY, "delivered", 4, 8, 1, nullptr));
        r.counter = counter(r.map.get());
        {
            const auto netns = Netns::open(r.container);
            const auto scope = netns->enter();
            bpf_tc_hook hook{};
            hook.sz = sizeof(hook);
            hook.ifindex = static_cast<int>(::if_nametoindex("eth0"));
            hook.attach_point = BPF_TC_INGRESS;
            bpf_tc_opts options{};
            options.sz = sizeof(options);
            options.prog_fd = r.counter.get();
            ASSERT_EQ(bpf_tc_hook_create(&hook), 0);
            ASSERT_EQ(bpf_tc_attach(&hook, &options), 0);
        }
        const auto netns = Netns::open(r.generator);
        const auto scope = netns->enter();
        r.program = generator(static_cast<int>(::if_nametoindex("g0")));
        ASSERT_TRUE(r.program) << std::strerror(errno);
    }

    static double run(Receiver &r, unsigned frames)
    {
        const auto netns = Netns::open(r.generator);
        const auto scope = netns->enter();
        xdp_md context{};
        context.data_end = static_cast<__u32>(r.packet.size());
        context.ingress_ifindex = ::if_nametoindex("g0");
        LIBBPF_OPTS(bpf_test_run_opts, options);
        options.data_in = r.packet.data();
        options.data_size_in = static_cast<__u32>(r.packet.size());
        options.ctx_in = &context;
        options.ctx_size_in = sizeof(context);
        options.repeat = static_cast<int>(frames);
        options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
        options.batch_size = 64;
        const auto delivered = [&] {
            const __u32 zero = 0;
            __u64 count = 0;
            bpf_map_lookup_elem(r.map.get(), &zero, &count);
            return count;
        };
        const auto before = delivered();
        const auto start = std::chrono::steady_clock::now();
        EXPECT_EQ(bpf_prog_test_run_opts(r.program.get(), &options), 0) << std::strerror(errno);
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        return static_cast<double>(delivered() - before) / took.count() / 1e6;
    }

    // Gbit/s of one TCP stream between two containers.
    double tcp(const std::string &from, const std::string &address)
    {
        const auto json = nlohmann::json::parse(
            in(from, fmt::format("iperf3 -J -t 2 -O 1 -c {}", address)), nullptr, false);
        return json.is_discarded() ? 0.0
                                   : json.value("/end/sum_received/bits_per_second"_json_pointer, 0.0) / 1e9;
    }

    struct Pair {
        std::string hosts[2], containers[2];
    };

    void build(Pair &pair, const std::string &name, bool xvtep_end, bool mtu_wire)
    {
        for (const int n : {0, 1}) {
            pair.hosts[n] = host(fmt::format("{}h{}", name, n));
            pair.containers[n] = host(fmt::format("{}c{}", name, n));
        }
        wire(pair.hosts[0], "u", pair.hosts[1], "u");
        for (const int n : {0, 1}) {
            const std::string &h = pair.hosts[n];
            ip(h, fmt::format("addr add 192.168.8.10{}/24 dev u", n));
            if (mtu_wire) {
                in(h, "ethtool -K u tso off gso off tx off tx-udp_tnl-segmentation off "
                      "tx-udp_tnl-csum-segmentation off gro on");
            }
            wire(h, "v", pair.containers[n], "eth0", 1450);
            if (xvtep_end) {
                must(fmt::format("{} -n {} attach u --vni 42 --name vxlan0 --remote 192.168.8.10{} "
                                 "--bridge br0",
                                 xvtep(), h, 1 - n));
            } else {
                ip(h, fmt::format("link add vxlan0 type vxlan id 42 dev u local 192.168.8.10{} "
                                  "remote 192.168.8.10{} dstport 4789 noudpcsum",
                                  n, 1 - n));
                ip(h, "link add br0 type bridge");
                ip(h, "link set br0 up");
                ip(h, "link set vxlan0 master br0 up");
            }
            ip(h, "link set v master br0");
            if (xvtep_end)
                must(fmt::format("{} -n {} port add v --vni 42", xvtep(), h));
            ip(pair.containers[n], fmt::format("addr add 10.20.1.{}/24 dev eth0", n + 1));
        }
        in(pair.containers[1],
           fmt::format("iperf3 -s -D -I /tmp/{}.pid", pair.containers[1]));
    }

    static void stop(const Pair &pair)
    {
        sh(fmt::format("kill $(tr -d \"\\0\" < /tmp/{0}.pid); rm -f /tmp/{0}.pid",
                       pair.containers[1]));
    }

    void compare_tcp(const char *what, bool mtu_wire)
    {
        Pair kernel, ours;
        build(kernel, "k", false, mtu_wire);
        build(ours, "x", true, mtu_wire);
        if (!HasFailure()) {
            std::vector<double> theirs, mine;
            for (int round = 0; round < rounds(); round++) {
                theirs.push_back(tcp(kernel.containers[0], "10.20.1.2"));
                mine.push_back(tcp(ours.containers[0], "10.20.1.2"));
            }
            report(what, "Gbit/s", theirs, mine);
            EXPECT_GT(median(mine), 0.7 * median(theirs));
        }
        stop(kernel);
        stop(ours);
    }
};

TEST_F(Speed, SmallFramesIntoAContainer)
{
    cpu_set_t before, one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    ASSERT_EQ(::sched_getaffinity(0, sizeof(before), &before), 0);
    Receiver kernel, ours;
    build(kernel, "k", false);
    build(ours, "x", true);
    if (HasFailure())
        return;
    ::sched_setaffinity(0, sizeof(one), &one);
    std::vector<double> theirs, mine;
    constexpr unsigned frames = 400'000;
    run(kernel, frames / 4);
    run(ours, frames / 4);
    for (int round = 0; round < rounds(); round++) {
        theirs.push_back(run(kernel, frames));
        mine.push_back(run(ours, frames));
    }
    ::sched_setaffinity(0, sizeof(before), &before);
    report("64-byte frames delivered into a container", "Mpps", theirs, mine);
    EXPECT_GT(median(theirs), 0.01) << "the kernel's device delivers";
    EXPECT_GT(median(mine), 2.0 * median(theirs));
}

TEST_F(Speed, TcpOnAWireThatCarriesGso) { compare_tcp("TCP, one stream, GSO wire", false); }

TEST_F(Speed, TcpOnAWireOfMtuSizedPackets) { compare_tcp("TCP, one stream, MTU wire", true); }

} // namespace
} // namespace xvtep::test
