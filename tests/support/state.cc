// SPDX-License-Identifier: GPL-2.0-only
#include "tests/support/state.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <stdexcept>
#include <vector>

#include <fmt/ranges.h>

#include "tests/support/netns_case.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/datapath.h"
#include "user/datapath/tc_attach.h"
#include "user/datapath/tc_block.h"
#include "user/net/ethtool.h"
#include "user/net/netlink.h"
#include "user/net/sysctl.h"
#include "xvtep/xvtep.h"

namespace xvtep::test {
namespace {

template <class T> T got(Result<T> result)
{
    if (!result)
        throw std::runtime_error(result.error().message());
    return std::move(*result);
}

std::string hex(const void *data, std::size_t size)
{
    const auto *const bytes = static_cast<const unsigned char *>(data);
    return fmt::format("{:02x}", fmt::join(bytes, bytes + size, ""));
}

using Names = std::map<__u32, std::string>; // of interfaces

std::vector<std::string> vtep_lines(const Tables &tables, Names &names)
{
    std::vector<std::string> lines;
    for (const auto &[ifindex, slot] : got(tables.devices.entries())) {
        const auto vtep = *got(tables.vteps.look_up(slot));
        lines.push_back(fmt::format("vtep {} slot {} vni {} flags {:x} members {}", names[ifindex],
                                    slot, vtep.vni, vtep.flags, vtep.members));
        lines.push_back(fmt::format("usage {} {}", slot, tables.fdb_count[slot]));
    }
    for (const auto &[key, slot] : got(tables.vnis.entries()))
        lines.push_back(fmt::format("vni {} slot {}", key.vni, slot));
    for (const auto &[word, bits] : got(tables.dstports.entries()))
        if (bits != 0)
            lines.push_back(fmt::format("dstport {} {:x}", word, bits));
    for (const auto &[hint, slot] : got(tables.vni_hints.entries()))
        if (slot != 0)
            lines.push_back(fmt::format("hint {} {}", hint, slot));
    for (const auto &[address, one] : got(tables.local_addrs.entries()))
        lines.push_back("local " + hex(&address, sizeof(address)));
    for (const auto &[key, entry] : got(tables.fdb.entries()))
        lines.push_back(
            fmt::format("fdb {} {} {}", key.vni, hex(key.mac, 6), __u32{entry.several}));
    const auto sizes = tables.sizes();
    lines.push_back(fmt::format("sizes {} {}", sizes.fdb, sizes.neighs));
    for (const auto &[key, id] : got(tables.remote_ids.entries()))
        if (const auto refs = tables.remotes[xv_remote_index(id)].refs; refs != 0)
            lines.push_back(fmt::format("remote {} {} refs {}", key.slot,
                                        hex(&key.addr, sizeof(key.addr)), refs));
    return lines;
}

std::vector<std::string> port_lines(const Tables &tables, Names &names)
{
    std::vector<std::string> lines;
    for (const auto &[ifindex, underlay] : got(tables.underlays.entries()))
        lines.push_back(fmt::format("underlay {} mode {}", names[ifindex], underlay.mode));
    for (const auto &[ifindex, port] : got(tables.ports.entries()))
        lines.push_back(fmt::format("port {} slot {} vtep {} mode {} flags {:x}", names[ifindex],
                                    port.slot, port.vtep, port.mode, port.flags));
    for (const auto &[key, slot] : got(tables.vlans.entries()))
        lines.push_back(fmt::format("vlan {} {} slot {}", names[key.ifindex], key.vid, slot));
    for (const auto &[key, member] : got(tables.members.entries()))
        lines.push_back(
            fmt::format("member {} {} {}", key.slot, names[member.ifindex], member.vid));
    return lines;
}

std::vector<std::string> pin_lines(const std::string &directory, Names &names)
{
    std::vector<std::string> lines;
    for (const auto &link : got(pinned_links(directory)))
        lines.push_back(fmt::format("pinned {} {} dead {}", names[static_cast<__u32>(link.ifindex)],
                                    link.hook == Hook::ingress ? "ingress" : "egress", link.dead));
    // Not what is in maps/programs: programs stay loaded after the first need of them.
    // An empty directory of listeners says nothing.
    for (const char *kind : {"", "/maps", "/listeners"})
        for (const auto &name : got(names_in(directory + kind)))
            if (name != "listeners")
                lines.push_back(fmt::format("pinned {}/{}", kind, name));
    return lines;
}

// The filter blocks that devices are bound to.
std::vector<std::string> block_lines(const std::vector<Link> &links)
{
    auto netlink = got(Netlink::open());
    const auto blocks = got(DeviceBlocks::read(netlink));
    std::vector<std::string> lines;
    for (const auto &link : links)
        if (const auto pair = blocks.pair_of(link.index))
            lines.push_back(fmt::format("blocks of {} filled {} {}", link.name,
                                        blocks.is_attached(link.index, Hook::ingress),
                                        blocks.is_attached(link.index, Hook::egress)));
    return lines;
}

// What the library's queries say.
std::vector<std::string> query_lines()
{
    std::vector<std::string> lines;
    for (const auto &v : got(list_vteps({}, Problems::looked_for))) {
        lines.push_back(fmt::format(
            "show {} vni {} on {} local {} mode {} auto {} up {} here {} bridge {} mtu {}", v.name,
            v.vni, fmt::join(v.devices, ","), v.local ? v.local->text() : "", mode_name(v.mode),
            v.auto_mode, v.up, v.here, v.bridge, v.mtu.value_or(0)));
        for (const auto &problem : v.problems)
            lines.push_back(fmt::format("problem of {}: {}", v.name, problem.text));
    }
    for (const auto &e : got(show_fdb({})))
        lines.push_back(fmt::format("entry {} {} {} dst {} port {} vni {} via {} {} {}", e.device,
                                    e.src_vni, e.mac.text(), e.dst.text(), e.port, e.vni, e.via,
                                    e.router, static_cast<int>(e.state)));
    for (const auto &n : got(show_neigh({})))
        lines.push_back(fmt::format("neigh {} {} {} {} {}", n.device, n.vni, n.ip.text(),
                                    n.mac.text(), static_cast<int>(n.state)));
    for (const auto &r : got(show_remotes({}, {})))
        if (r.known || r.entries != 0)
            lines.push_back(fmt::format("remote {} {} port {} vni {} via {} entries {} known {}",
                                        r.device, r.ip.text(), r.port, r.vni, r.via, r.entries,
                                        r.known));
    for (const auto &p : got(show_ports(Problems::looked_for))) {
        lines.push_back(fmt::format("port {} vni {} vtep {} vlan {} mode {} bridge {}", p.name,
                                    p.vni, p.vtep, p.vlan.value_or(0), mode_name(p.mode),
                                    p.bridge));
        for (const auto &problem : p.problems)
            lines.push_back(fmt::format("problem of {}: {}", p.name, problem.text));
    }
    for (const auto &device : got(list_vnis({})))
        for (const auto &range : device.vnis)
            lines.push_back(fmt::format("vnis {} {}-{} {} {}", device.device, range.first,
                                        range.last, range.vlan,
                                        range.remote ? range.remote->text() : ""));
    return lines;
}

// What iproute2 says, without indexes and ages.
std::string tool_lines(const std::string &host)
{
    const auto words = fmt::format(
        "ip -n {0} -o addr | sed \"s/^[0-9]*: //; s/valid_lft.*//\"; "
        "ip -n {0} -o -d link show type vxlan | sed \"s/^[0-9]*: //; s/ageing .*//; s/@.*mtu/ "
        "mtu/\"; "
        "tc -n {0} qdisc | sed \"s/^/qdisc: /; s/block [0-9]*/block/g\" | grep -v -e \"qdisc "
        "noqueue\"; "
        "bridge -n {0} fdb | grep -v -e \" master \" -e ^33:33 -e ^01:00:5e; bridge -n {0} vlan",
        host);
    return sh(words).text;
}

} // namespace

std::string state_of(const std::string &host, const std::string &container_name)
{
    const auto netns = got(Netns::open(host));
    const std::string directory = state_directory("/sys/fs/bpf", got(netns.cookie()));
    const auto scope = got(netns.enter());
    const auto links = got(got(Netlink::open()).links());
    Names names;
    for (const auto &link : links)
        names[static_cast<__u32>(link.index)] = link.name;
    std::vector<std::string> lines;
    for (const auto &link : links)
        lines.push_back(fmt::format("link {} {} up {} group {:x} master {} xdp {}", link.name,
                                    link.kind, link.is_up(), link.group,
                                    names[static_cast<__u32>(link.master)], link.xdp_program != 0));
    for (const auto &link : links)
        lines.push_back(
            fmt::format("{} rx-gro {}", link.name, got(device_feature(link.name, "rx-gro"))));
    const auto append = [&](const std::vector<std::string> &more) {
        lines.insert(lines.end(), more.begin(), more.end());
    };
    for (const char *family : {"ipv4", "ipv6"}) {
        std::ifstream file(fmt::format("/proc/sys/net/{}/conf/lo/forwarding", family));
        std::string value;
        std::getline(file, value);
        lines.push_back(fmt::format("{} lo forwarding {}", family, value));
    }
    lines.push_back(tool_lines(host));
    append(block_lines(links));
    append(pin_lines(directory, names));
    if (got(datapath_exists(directory))) {
        const auto tables = got(Tables::open(directory));
        append(vtep_lines(tables, names));
        append(port_lines(tables, names));
        append(query_lines());
    }
    if (container_name.empty()) {
        std::ranges::sort(lines);
        return fmt::format("{}\n", fmt::join(lines, "\n"));
    }
    const auto container = got(Netns::open(container_name));
    const auto there = got(container.enter());
    for (const char *feature : {"rx-gro", "tx-vlan-hw-insert", "tx-vlan-stag-hw-insert"})
        lines.push_back(fmt::format("{} {}", feature, got(device_feature("eth0", feature))));
    std::ranges::sort(lines);
    return fmt::format("{}\n", fmt::join(lines, "\n"));
}

} // namespace xvtep::test
