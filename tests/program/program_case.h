// SPDX-License-Identifier: GPL-2.0-only
// Runs whole packets through the loaded programs (BPF_PROG_TEST_RUN), with maps that a test fills.
#pragma once

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <sched.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "bpf/abi/tables.h"
#include "bpf/abi/wire.h"
#include "tests/program/packet.h"
#include "user/datapath/libbpf_log.h"
#include "user/net/netlink.h"
#include "user/vtep/session.h"
#include "xvtep.skel.h"

namespace xvtep::test {

inline constexpr int tc_shot = 2, tc_redirect = 7, tc_pass = -1;

struct Outcome {
    int action = 0;
    Bytes packet;
    unsigned mark = 0;                            // of the skb afterwards
    std::map<std::string, std::uint64_t> counted; // "rx", "tx" and reasons whose counters rose
};

// One VTEP in slot 1 (VNI 42, port 4789, device `vx`), the underlay port `under` in slot 2, a local
// port `port` in slot 3; all devices are ends of veths in a namespace of this process.
class ProgramCase : public ::testing::Test {
  protected:
    static constexpr std::uint32_t vtep_slot = 1, underlay_slot = 2, port_slot = 3;

    void SetUp() override
    {
        if (::geteuid() != 0)
            GTEST_SKIP() << "needs root, to load BPF programs";
        static const bool alone = ::unshare(CLONE_NEWNET) == 0;
        ASSERT_TRUE(alone);
        auto netlink = Netlink::open();
        ASSERT_TRUE(netlink);
        if (!netlink->link("under")) {
            ASSERT_TRUE(netlink->add_veth({.name = "under"}, {.name = "vx"}));
            ASSERT_TRUE(netlink->add_veth({.name = "port"}, {.name = "eth0"}));
            for (const char *name : {"under", "vx", "port", "eth0"})
                ASSERT_TRUE(netlink->change_link(netlink->link(name)->index, {.up = true}));
        }
        under = *netlink->link("under");
        device = *netlink->link("vx");
        port = *netlink->link("port");

        const LibbpfLog log;
        skeleton.reset(xvtep_bpf__open_and_load());
        ASSERT_TRUE(skeleton) << log.error();
        vtep.slot = vtep_slot;
        vtep.vni = 42;
        vtep.ifindex = static_cast<__u32>(device.index);
        vtep.flags = XV_VTEP_LEARNING;
        vtep.local = to_addr(*Ip::parse("192.168.8.100"));
        vtep.dstport = htons(4789);
        vtep.srcport_min = 49152;
        vtep.srcport_max = 65535;
        vtep.renew_shift = 63;
        vtep.ttl = 64;
        std::ranges::copy(device.mac.octets, vtep.mac);
        std::ranges::copy(under.mac.octets, vtep.underlay_mac);
        vtep.ageing = 300;
        vtep.reserved_flags = 0xf7ffffff;
        vtep.reserved_vni = 0xff;
        vtep.underlay_count = 1;
        vtep.underlays[0] = static_cast<__u32>(under.index);
        write_vtep();
        write(skeleton->maps.underlays, under.index,
              xv_underlay{underlay_slot, XV_MODE_XDP, 0, 0, {}, 0, 0});
        write(skeleton->maps.ports, port.index,
              xv_port{port_slot, vtep_slot, XV_MODE_TC, 0, 0, {}, 0, {}, 0});
    }

    void write_vtep()
    {
        write(skeleton->maps.vteps, vtep_slot, vtep);
        write(skeleton->maps.vnis, xv_vni_key{vtep.vni, vtep.dstport, 0}, __u32{vtep_slot});
        write(skeleton->maps.devices, device.index, __u32{vtep_slot});
        for (const Link &link : {under, device, port}) {
            bpf_devmap_val alive{};
            alive.ifindex = static_cast<__u32>(link.index);
            write(skeleton->maps.alive, link.index, alive);
        }
        write(skeleton->maps.local_addrs, vtep.local, __u32{1});
        write(skeleton->maps.dstports, __u32{4789 / 64}, __u64{1} << 4789 % 64);
    }

    void on_v6()
    {
        vtep.flags |= XV_VTEP_V6;
        vtep.local = to_addr(*Ip::parse("fd08::100"));
        write_vtep();
    }

    template <class Key, class Value> void write(bpf_map *map, const Key &key, const Value &value)
    {
        ASSERT_EQ(bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY), 0)
            << bpf_map__name(map) << ": " << std::strerror(errno);
    }

    static std::uint64_t now()
    {
        timespec time{};
        ::clock_gettime(CLOCK_MONOTONIC, &time);
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000'000ULL +
               static_cast<std::uint64_t>(time.tv_nsec);
    }

    xv_fdb_key key(const Mac &mac) const
    {
        xv_fdb_key made{};
        made.vni = vtep.vni;
        made.dstport = vtep.dstport;
        std::ranges::copy(mac.octets, made.mac);
        return made;
    }

    xv_remote_key remote_key(const char *dst) const
    {
        xv_remote_key made{};
        made.addr = to_addr(*Ip::parse(dst));
        made.slot = vtep_slot;
        made.vni = vtep.vni;
        made.port = vtep.dstport;
        return made;
    }

    // The id of the VTEP with this address, which is made if there is none.
    __u32 remote(const char *dst)
    {
        const auto at = remote_key(dst);
        __u32 id = 0;
        if (bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.remote_ids), &at, &id) == 0)
            return id;
        const __u32 index = ++remotes_made;
        id = index | 0x10000U;
        xv_remote value{};
        value.id = id;
        value.addr = at.addr;
        value.slot = vtep_slot;
        value.vni = at.vni;
        value.vxlan_vni = htonl(at.vni << 8);
        value.port = at.port;
        value.seen = xv_tick(now());
        value.claimed = 1;
        write(skeleton->maps.remotes, index, value);
        write(skeleton->maps.remote_ids, at, id);
        return id;
    }

    void entry(const Mac &mac, const char *dst, unsigned flags = XV_FDB_PERMANENT,
               std::uint16_t remotes = 1, std::uint64_t age = 0)
    {
        xv_fdb value{};
        value.to = remote(dst);
        value.flags = static_cast<__u16>(flags);
        value.several = static_cast<__u16>(remotes & 0xfffU);
        value.updated = value.used = xv_tick(now() - age);
        write(skeleton->maps.fdb, key(mac), value);
    }

    // As if the kernel had just admitted a packet of this VTEP.
    void admitted(const Ip &sender)
    {
        xv_sender value{};
        value.addr = to_addr(sender);
        value.port = vtep.dstport;
        value.last_marked = 1;
        value.admitted = xv_stamp(now()) | 1;
        write(skeleton->maps.senders, xv_sender_index(&value.addr, value.port), value);
    }

    void local_entry(const Mac &mac, unsigned flags = 0)
    {
        xv_fdb value{};
        value.to = static_cast<__u32>(port.index);
        value.flags = static_cast<__u16>(XV_FDB_LOCAL | flags);
        value.updated = xv_tick(now());
        value.bridge_seen = xv_stamp(now()) | 1; // the bridge agrees
        write(skeleton->maps.fdb, key(mac), value);
    }

    void with(unsigned vtep_flag)
    {
        vtep.flags |= vtep_flag;
        write_vtep();
    }

    void neighbour(const char *ip, const Mac &mac, unsigned flags = XV_NEIGH_PERMANENT,
                   std::uint64_t age = 0)
    {
        xv_neigh value{};
        std::ranges::copy(mac.octets, value.mac);
        value.flags = static_cast<__u16>(flags);
        value.updated = now() - age;
        write(skeleton->maps.neighs,
              xv_neigh_key{vtep.vni, vtep.dstport, 0, to_addr(*Ip::parse(ip))}, value);
    }

    std::optional<xv_fdb> found(const Mac &mac) const
    {
        const auto k = key(mac);
        xv_fdb value{};
        if (bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.fdb), &k, &value) != 0)
            return std::nullopt;
        return value;
    }

    xv_nexthop_key nexthop_key(const char *dst) const
    {
        xv_nexthop_key made{};
        made.dst = to_addr(*Ip::parse(dst));
        made.src_hash = xv_address_mix(&vtep.local);
        made.oif = static_cast<__u32>(under.index);
        made.dstport = vtep.dstport;
        made.tos = static_cast<__u8>(vtep.tos & ~3);
        return made;
    }

    xv_path path() const
    {
        xv_path made{};
        made.hop.ifindex = static_cast<__u32>(under.index);
        made.xdp = 1;
        made.hops = 1;
        std::ranges::copy(next_hop.octets, made.hop.dmac);
        std::ranges::copy(under.mac.octets, made.hop.smac);
        made.proven_size = 65535;
        return made;
    }

    // The way to the VTEP with this address, which the tables cannot compare (checked == 0).
    void nexthop(const char *dst, unsigned mark = 0)
    {
        xv_nexthop value{};
        value.expires = now() + 60'000'000'000ULL;
        value.path = path();
        xv_nexthop_key at = nexthop_key(dst);
        at.mark = mark;
        write(skeleton->maps.nexthops, at, value);
        if (mark != 0)
            return;
        const __u32 index = remote(dst) & 0xffffU; // XDP uses the remote's copy
        xv_remote copy{};
        ASSERT_EQ(bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.remotes), &index, &copy), 0);
        copy.path = value.path;
        copy.fresh_until = xv_stamp(now() + 30'000'000'000ULL);
        write(skeleton->maps.remotes, index, copy);
    }

    Outcome tc(bpf_program *program, const Link &on, const Bytes &packet, unsigned gso_size = 0,
               unsigned mark = 0)
    {
        __sk_buff context{};
        context.mark = mark;
        context.ifindex = static_cast<__u32>(on.index);
        context.gso_size = gso_size;
        return run(program, packet, &context, sizeof(context));
    }

    Outcome xdp(bpf_program *program, const Link &on, const Bytes &packet)
    {
        xdp_md context{};
        context.data_end = static_cast<__u32>(packet.size());
        context.ingress_ifindex = static_cast<__u32>(on.index);
        return run(program, packet, &context, sizeof(context));
    }

    struct Closer {
        void operator()(xvtep_bpf *s) const { xvtep_bpf__destroy(s); }
    };
    std::unique_ptr<xvtep_bpf, Closer> skeleton;
    Link under, device, port;
    xv_vtep vtep{};
    const Mac next_hop = *Mac::parse("02:00:00:00:00:fe");

  private:
    __u32 remotes_made = 0;

    std::map<std::string, std::uint64_t> counters() const
    {
        std::map<std::string, std::uint64_t> sums;
        std::vector<xv_counters> cpus(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        for (const __u32 slot : {0U, vtep_slot, underlay_slot, port_slot}) {
            bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.counters), &slot, cpus.data());
            for (const auto &cpu : cpus) {
                sums["rx"] += cpu.rx_packets;
                sums["tx"] += cpu.tx_packets;
#define X(name, text, meaning) sums[text] += cpu.reason[XV_##name];
                XV_PASSED_REASONS(X)
                XV_DROPPED_REASONS(X)
#undef X
            }
        }
        std::vector<xv_remote_counters> of_remote(cpus.size());
        for (__u32 index = 1; index <= remotes_made; index++) {
            bpf_map_lookup_elem(bpf_map__fd(skeleton->maps.remote_counts), &index,
                                of_remote.data());
            for (const auto &cpu : of_remote) {
                sums["rx"] += cpu.rx_packets;
                sums["tx"] += cpu.tx_packets;
            }
        }
        return sums;
    }

    Outcome run(bpf_program *program, const Bytes &packet, void *context, __u32 size)
    {
        Outcome result;
        result.packet.resize(packet.size() + 256);
        std::vector<std::uint8_t> context_out(256);
        LIBBPF_OPTS(bpf_test_run_opts, options);
        options.data_in = packet.data();
        options.data_size_in = static_cast<__u32>(packet.size());
        options.data_out = result.packet.data();
        options.data_size_out = static_cast<__u32>(result.packet.size());
        options.ctx_in = context;
        options.ctx_size_in = size;
        options.ctx_out = context_out.data();
        options.ctx_size_out = size;
        const auto before = counters();
        EXPECT_EQ(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0)
            << std::strerror(errno);
        for (const auto &[name, count] : counters())
            if (count != before.at(name))
                result.counted[name] = count - before.at(name);
        result.action = static_cast<int>(options.retval);
        result.packet.resize(options.data_size_out);
        if (size == sizeof(__sk_buff)) {
            __sk_buff out{};
            std::memcpy(&out, context_out.data(), sizeof(out));
            result.mark = out.mark;
        }
        if (size == sizeof(xdp_md)) { // the metadata is in front of the packet
            xdp_md out{};
            std::memcpy(&out, context_out.data(), sizeof(out));
            result.packet.erase(result.packet.begin(),
                                result.packet.begin() + static_cast<std::ptrdiff_t>(out.data));
        }
        return result;
    }
};

// One remote MAC is known, and the next hop to its VTEP.
class KnownCase : public ProgramCase {
  protected:
    static constexpr Mac container{{2, 0, 0, 0, 0, 2}};

    void SetUp() override
    {
        ProgramCase::SetUp();
        if (IsSkipped() || HasFatalFailure())
            return;
        entry(container, "192.168.8.101");
        nexthop("192.168.8.101");
    }
};

} // namespace xvtep::test
