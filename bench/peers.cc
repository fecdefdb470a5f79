// SPDX-License-Identifier: GPL-2.0-only
#include "bench/peers.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "bench/bare.h"
#include "bench/entries.h"
#include "bench/ovs.h"
#include "bench/shell.h"
#include "bench/sinks.h"
#include "external.skel.h"
#include "user/datapath/libbpf_log.h"
#include "xvtep/ip.h"

namespace xvtep::bench {
namespace {

Result<> add_bridge(const End &end, const std::string &port)
{
    return ip_batch(end.host, fmt::format("link add br0 type bridge\n"
                                          "link set br0 type bridge mcast_snooping 0\n"
                                          "link set br0 up\n"
                                          "link set {} master br0 up\n"
                                          "link set v master br0",
                                          port));
}

// Known MACs, nothing to learn: the bridge's fastest way.
Result<> fill_bridge(const End &end, const std::string &port)
{
    const auto &w = end.words;
    TRY(sh(fmt::format("printf '%s\\n' 'fdb replace {0} dev {2} master static' "
                       "'fdb replace {1} dev v master static' "
                       "'link set dev {2} learning off' 'link set dev v learning off' "
                       "| bridge -n {3} -batch -",
                       w.other_mac.text(), w.mac.text(), port, end.host)));
    return {};
}

Result<> add_xvtep_port(const World &world, const End &end)
{
    const auto &w = end.words;
    TRY(ip(end.host, fmt::format("link set {} master br0", w.port)));
    TRY(sh(fmt::format("{} -n {} port add {} --vni {}{}", world.xvtep(), end.host, w.port, vni,
                       w.port_mode.empty() ? "" : " --mode " + w.port_mode)));
    // A frame of the container's: its MAC is known from then on.
    (void)sh_in(end.container, fmt::format("ping -c 1 -W 0.1 {}", w.other_container));
    return {};
}

Result<> build_xvtep(const World &world, End &end)
{
    const auto &w = end.words;
    const std::string xvtep = fmt::format("{} -n {} ", world.xvtep(), end.host);
    TRY(sh(fmt::format("{} attach {} {} --vni {} --name vxlan0 --local {} --remote {} "
                       "--bridge br0 --mode {} --nolearning --ageing 0",
                       xvtep, w.underlay, fmt::join(w.more_underlays, " "), vni, w.local, w.remote,
                       w.mode)));
    TRY(add_xvtep_port(world, end));
    if (!w.flood)
        TRY(sh(
            fmt::format("{} fdb add {} dev vxlan0 dst {}", xvtep, w.other_mac.text(), w.remote)));
    return {};
}

// For another container of a bridge; `underlay` where that is a port of the bridge itself.
Result<> add_bridge_ports(const End &end, const std::string &underlay)
{
    std::string links, lines;
    for (const auto &port : {end.words.port, underlay}) {
        if (port.empty())
            continue;
        links += fmt::format("link set {} master br0 up\n", port);
        lines += fmt::format("link set dev {} learning off\n", port);
    }
    TRY(ip_batch(end.host, links));
    TRY(sh(fmt::format("printf '%s\n' '{}fdb replace {} dev {} master static' | bridge -n {} "
                       "-batch -",
                       lines, end.words.mac.text(), end.words.port, end.host)));
    return {};
}

Result<> build_kernel(End &end)
{
    const auto &w = end.words;
    TRY(ip(end.host, fmt::format("link add vxlan0 type vxlan id {} {} local {} remote {} "
                                 "dstport 4789 noudpcsum nolearning",
                                 vni, w.routed ? "" : "dev u", w.local, w.remote)));
    TRY(add_bridge(end, "vxlan0"));
    if (w.flood)
        return {};
    TRY(fill_bridge(end, "vxlan0"));
    TRY(sh(fmt::format("bridge -n {} fdb add {} dev vxlan0 dst {} self static", end.host,
                       w.other_mac.text(), w.remote)));
    return {};
}

// As external.bpf.c has them.
struct EntryKey {
    __u32 vni;
    __u8 mac[6];
    __u16 zero;
};
struct Entry {
    __u32 remote, ifindex;
};

Result<> put_entry(const End &end, const Mac &mac, const Entry &entry)
{
    EntryKey key{.vni = vni, .mac = {}, .zero = 0};
    std::ranges::copy(mac.octets, key.mac);
    const int map = bpf_map__fd(end.external->maps.fdb);
    if (bpf_map_update_elem(map, &key, &entry, BPF_ANY) != 0)
        return errno_failure("write entry", mac.text(), errno);
    return {};
}

Result<> add_external_port(const End &end)
{
    TRY_ASSIGN(const int port, index_of(end.host, end.words.port));
    TRY(put_entry(end, end.words.mac, {.remote = 0, .ifindex = static_cast<__u32>(port)}));
    const int program = bpf_program__fd(end.external->progs.external_out);
    return attach_tc_ingress(end.host, end.words.port, program);
}

Result<> build_external(End &end)
{
    const auto &w = end.words;
    TRY(ip_batch(end.host, "link add vxlan0 type vxlan external dstport 4789 nolearning\n"
                           "link set vxlan0 up"));
    __u32 remote = 0;
    std::memcpy(&remote, Ip::parse(w.remote)->bytes(), 4);
    remote = ntohl(remote);
    TRY_ASSIGN(const int device, index_of(end.host, "vxlan0"));
    TRY_ASSIGN(const int port, index_of(end.host, "v"));
    const LibbpfLog log;
    end.external.reset(external_bpf::open(), external_bpf::destroy);
    if (!end.external)
        return errno_failure("open program", "external", errno);
    auto &constants = *end.external->rodata;
    constants.vni = vni;
    constants.device = static_cast<__u32>(device);
    constants.port = static_cast<__u32>(port);
    constants.remote = remote;
    if (external_bpf::load(end.external.get()) != 0)
        return errno_failure("load program", "external", errno, log.error());
    TRY(put_entry(end, w.other_mac, {.remote = remote, .ifindex = 0}));
    TRY(attach_tc_ingress(end.host, "vxlan0", bpf_program__fd(end.external->progs.external_in)));
    return add_external_port(end);
}

Result<std::string> make_container(World &world, const End &end)
{
    const auto &w = end.words;
    TRY_ASSIGN(std::string name, world.host(std::string(name_of(end.system)) + "-c"));
    TRY(World::wire(end.host, w.port, name, "eth0", w.mtu));
    TRY(ip_batch(name, fmt::format("link set eth0 address {}\naddr add {}/24 dev eth0\n"
                                   "neigh replace {} lladdr {} dev eth0 nud permanent",
                                   w.mac.text(), w.container, w.other_container,
                                   w.flood ? mac_there.text() : w.other_mac.text())));
    return name;
}

Result<> build_no_tunnel(End &end)
{
    TRY(add_bridge(end, "u"));
    return fill_bridge(end, "u");
}

} // namespace

Result<> add_external_entries(const End &end, const Mac &first, unsigned from, unsigned to)
{
    __u32 remote = 0;
    std::memcpy(&remote, Ip::parse(end.words.remote)->bytes(), 4);
    for (unsigned n = from; n < to; n++)
        TRY(put_entry(end, numbered(first, n), {.remote = ntohl(remote), .ifindex = 0}));
    return {};
}

const char *name_of(System system)
{
    switch (system) {
    case System::xvtep:
        return "xvtep";
    case System::before:
        return "before";
    case System::kernel:
        return "kernel";
    case System::kernel_external:
        return "kernel-external";
    case System::no_tunnel:
        return "no-tunnel";
    case System::wire:
        return "wire";
    case System::bare:
        return "bare";
    case System::ovs:
        return "ovs";
    }
    return "?";
}

std::vector<System> all_systems()
{
    return {System::xvtep, System::kernel, System::kernel_external, System::no_tunnel, System::wire,
            System::bare,  System::ovs};
}

std::vector<System> named_systems()
{
    auto systems = all_systems();
    systems.insert(systems.begin() + 1, System::before);
    return systems;
}

Result<std::string> bare_host(World &world, const std::string &name)
{
    TRY_ASSIGN(std::string host, world.host(name));
    TRY(ip_batch(host,
                 fmt::format("link add u type veth peer name w\nlink set u up\nlink set w up\n"
                             "addr add {}/24 dev u",
                             here)));
    return host;
}

std::string missing(System system)
{
    return system == System::ovs ? missing_ovs() : "";
}

Result<End> build_end(World &world, System system, const std::string &host, const EndWords &words)
{
    End end{.system = system, .host = host, .container = {}, .words = words};
    TRY_SET(end.container, make_container(world, end));
    // veth takes XDP frames only where its NAPI runs; GRO switches that on.
    TRY(set_gro(host, words.underlay));
    switch (system) {
    case System::xvtep:
        TRY(build_xvtep(world, end));
        break;
    case System::before:
        return system_failure("build end of", name_of(system), "it forwards no packets here");
    case System::kernel:
        TRY(build_kernel(end));
        break;
    case System::kernel_external:
        TRY(build_external(end));
        break;
    case System::no_tunnel:
        TRY(build_no_tunnel(end));
        break;
    case System::wire:
        break;
    case System::bare:
        TRY(build_bare(end));
        break;
    case System::ovs:
        TRY(build_ovs(end));
        break;
    }
    return end;
}

Result<End> add_container(World &world, const End &end, const EndWords &words)
{
    End more = end;
    more.words = words;
    TRY_SET(more.container, make_container(world, more));
    TRY(set_gro(end.host, words.underlay));
    switch (end.system) {
    case System::xvtep:
        TRY(add_xvtep_port(world, more));
        break;
    case System::kernel:
        TRY(add_bridge_ports(more, ""));
        break;
    case System::kernel_external:
        TRY(add_external_port(more));
        break;
    case System::no_tunnel:
        TRY(add_bridge_ports(more, words.underlay));
        break;
    case System::wire:
        break;
    case System::before:
    case System::bare:
    case System::ovs:
        return system_failure("add container to", name_of(end.system), "not known how");
    }
    return more;
}

Result<Station> build_station(World &world, System system, const EndWords &words)
{
    Station station;
    TRY_SET(station.far, world.host(std::string(name_of(system)) + "-f"));
    TRY_ASSIGN(const std::string host, world.host(std::string(name_of(system)) + "-h"));
    TRY(World::wire(station.far, "w", host, "u"));
    TRY_ASSIGN(const Mac far, mac_of(station.far, "w"));
    TRY(ip_batch(host,
                 fmt::format("addr add {}/24 dev u\nneigh replace {} lladdr {} dev u nud permanent",
                             words.local, words.remote, far.text())));
    EndWords known = words;
    known.next_hop = far;
    TRY_SET(station.end, build_end(world, system, host, known));
    return station;
}

Result<Pair> build_pair(World &world, System system, bool mtu_wire)
{
    Pair pair;
    std::string hosts[2];
    for (auto &host : hosts)
        TRY_SET(host, world.host(std::string(name_of(system)) + "-h"));
    TRY(World::wire(hosts[0], "u", hosts[1], "u"));
    EndWords words[2];
    words[0].mode = "auto";
    words[0].mtu = 1450;
    words[0].polled = false; // sockets need the cores
    words[1] = words[0];
    std::swap(words[1].local, words[1].remote);
    std::swap(words[1].container, words[1].other_container);
    std::swap(words[1].mac, words[1].other_mac);
    for (const int n : {0, 1}) {
        TRY_SET(words[n].next_hop, mac_of(hosts[1 - n], "u"));
        TRY(ip_batch(hosts[n],
                     fmt::format("addr add {}/24 dev u\n"
                                 "neigh replace {} lladdr {} dev u nud permanent",
                                 words[n].local, words[n].remote, words[n].next_hop.text())));
        if (mtu_wire)
            TRY(sh_in(hosts[n], "ethtool -K u tso off gso off tx off tx-udp_tnl-segmentation off "
                                "tx-udp_tnl-csum-segmentation off"));
    }
    for (const int n : {0, 1})
        TRY_SET(pair.ends[n], build_end(world, system, hosts[n], words[n]));
    return pair;
}

} // namespace xvtep::bench
