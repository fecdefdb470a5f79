// SPDX-License-Identifier: GPL-2.0-only
#include "tests/upgrade/old_xvtep.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <xdp/libxdp.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <sstream>

#include <fmt/format.h>

#include "tests/support/netns_case.h"
#include "user/datapath/libbpf_log.h"
#include "user/datapath/raw_map.h"
#include "user/datapath/tc_attach.h"
#include "user/datapath/xdp_attach.h"
#include "user/net/sysctl.h"
#include "user/vtep/layout_10.h"
#include "user/vtep/layout_5.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/remote_table.h"
#include "user/vtep/session.h"

namespace xvtep::test {
namespace {

namespace fs = std::filesystem;

// enum bpf_attach_type of Linux 6.6
constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);
constexpr auto tcx_egress = static_cast<bpf_attach_type>(47);

struct Names {
    const char *underlay_ingress, *underlay_egress, *device_egress, *device_ingress, *port_ingress,
        *port_egress;
};

Names names_of(unsigned layout)
{
    if (layout == 5)
        return {"xvtep_tc_underlay", "xvtep_tc_watch", "xvtep_tc_device",
                "xvtep_tc_arrived",  "xvtep_tc_port",  nullptr};
    return {"xvtep_tc_underlay_ingress", "xvtep_tc_underlay_egress", "xvtep_tc_device_egress",
            "xvtep_tc_device_ingress",   "xvtep_tc_port_ingress",    "xvtep_tc_port_egress"};
}

std::string object_file(unsigned layout)
{
    return fmt::format("{}/layout_{}.bpf.o", XVTEP_OLD_OBJECTS, layout);
}

BpfObject open_object(unsigned layout)
{
    const LibbpfLog log;
    LIBBPF_OPTS(bpf_object_open_opts, options);
    options.object_name = "xvtep_bpf";
    BpfObject object(bpf_object__open_file(object_file(layout).c_str(), &options));
    if (!object)
        throw std::runtime_error("cannot open " + object_file(layout) + ": " + log.error());
    return object;
}

template <class Key, class Value> void put(int map, const Key &key, const Value &value)
{
    if (bpf_map_update_elem(map, &key, &value, BPF_ANY) != 0)
        throw std::runtime_error("cannot update a map: " + errno_text(errno));
}

// All zeros in an array, nothing in a hash.
void clear(const bpf_map *map)
{
    const int fd = bpf_map__fd(map);
    const auto type = bpf_map__type(map);
    if (type == BPF_MAP_TYPE_HASH || type == BPF_MAP_TYPE_LRU_HASH ||
        type == BPF_MAP_TYPE_DEVMAP_HASH) {
        std::vector<std::byte> key(bpf_map__key_size(map));
        while (bpf_map_get_next_key(fd, nullptr, key.data()) == 0)
            if (bpf_map_delete_elem(fd, key.data()) != 0)
                return;
    } else if (type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY) {
        const std::size_t size = type == BPF_MAP_TYPE_ARRAY
                                     ? bpf_map__value_size(map)
                                     : bpf_map__value_size(map) * got(possible_cpus());
        const std::vector<std::byte> zeros(size);
        std::vector<std::byte> now(size);
        for (__u32 n = 0; n < bpf_map__max_entries(map); n++)
            if (bpf_map_lookup_elem(fd, &n, now.data()) == 0 && now != zeros)
                bpf_map_update_elem(fd, &n, zeros.data(), BPF_ANY);
    } else if (type == BPF_MAP_TYPE_ARRAY_OF_MAPS) {
        for (__u32 n = 0; n < bpf_map__max_entries(map); n++)
            bpf_map_delete_elem(fd, &n);
    }
}

layout_5::Vtep old_vtep(const xv_vtep &vtep)
{
    layout_5::Vtep old{};
    old.flowlabel = vtep.flowlabel;
    old.reachable = vtep.reachable;
    old.slot = vtep.slot;
    old.vni = vtep.vni;
    old.ifindex = vtep.ifindex;
    old.flags = vtep.flags;
    old.local = vtep.local;
    old.dstport = vtep.dstport;
    std::ranges::copy(vtep.mac, old.mac);
    old.reserved_flags = vtep.reserved_flags;
    old.reserved_vni = vtep.reserved_vni;
    std::ranges::copy(vtep.underlay_mac, old.underlay_mac);
    old.nonce = vtep.nonce;
    old.members = vtep.members;
    old.underlay_count = vtep.underlay_count;
    old.remote = vtep.remote;
    old.srcport_min = vtep.srcport_min;
    old.srcport_span = static_cast<__u32>(vtep.srcport_max) - vtep.srcport_min + 1;
    old.ttl = vtep.ttl;
    old.tos = vtep.tos;
    old.ageing = vtep.ageing;
    old.hard_ageing = vtep.hard_ageing;
    old.maxaddress = vtep.maxaddress;
    old.bridge = vtep.bridge;
    std::ranges::copy(vtep.underlays, old.underlays);
    return old;
}

layout_5::Port old_port(const xv_port &port)
{
    layout_5::Port old{};
    old.slot = port.slot;
    old.vtep = port.vtep;
    old.mode = port.mode;
    old.flags = port.flags & 0x1ff; // the later ones are of what it did not do
    old.seen = port.last_time;
    std::ranges::copy(port.last_smac, old.seen_mac);
    old.seen_vid = port.last_vid;
    return old;
}

layout_5::Destination old_destination(const Tables &tables, const xv_vtep &vtep, __u32 id)
{
    layout_5::Destination old{};
    const auto to = destination(tables, vtep, id);
    if (!to)
        return old;
    old.addr = to->addr;
    old.vni = to->vni;
    old.ifindex = to->via;
    old.port = to->port;
    return old;
}

void remove_clsact(const Link &link)
{
    const LibbpfLog log;
    LIBBPF_OPTS(bpf_tc_hook, hook);
    hook.ifindex = link.index;
    hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
    (void)bpf_tc_hook_destroy(&hook);
}

__u64 time_of(__u32 tick)
{
    return static_cast<__u64>(tick) << XV_TICK_SHIFT;
}

} // namespace

OldXvtep::OldXvtep(std::string host, unsigned layout)
    : host_(std::move(host)), layout_(layout), object_(open_object(layout))
{
    must_do(load_bpf_object(object_));
}

int OldXvtep::map(const char *name) const
{
    return bpf_object__find_map_fd_by_name(object_.get(), name);
}

int OldXvtep::program(const char *name) const
{
    return bpf_program__fd(bpf_object__find_program_by_name(object_.get(), name));
}

void OldXvtep::count(__u32 slot, unsigned at, __u64 value)
{
    const std::size_t numbers = sizeof(xv_counters) / sizeof(__u64);
    std::vector<__u64> all(numbers * got(possible_cpus()));
    if (bpf_map_lookup_elem(map("counters"), &slot, all.data()) != 0)
        throw std::runtime_error("cannot read counters");
    all[at] = value;
    if (bpf_map_update_elem(map("counters"), &slot, all.data(), BPF_ANY) != 0)
        throw std::runtime_error("cannot write counters");
}

void OldXvtep::fill(unsigned entries, const std::string &like)
{
    constexpr unsigned chunk = 16384;
    struct Row {
        xv_fdb_key key;
        layout_5::Entry value;
    };
    Row row{};
    xv_fdb_key key{}, found{};
    const auto mac = *Mac::parse(like);
    for (const void *from = nullptr; bpf_map_get_next_key(map("fdb"), from, &key) == 0; from = &key)
        if (std::ranges::equal(key.mac, mac.octets))
            found = key;
    if (bpf_map_lookup_elem(map("fdb"), &found, &row.value) != 0)
        throw std::runtime_error("there is no entry for " + like);
    std::vector<xv_fdb_key> keys;
    std::vector<layout_5::Entry> values(chunk, row.value);
    for (unsigned n = 0; n < entries;) {
        keys.clear();
        for (; n < entries && keys.size() < chunk; n++) {
            found.mac[1] = 0xf0;
            for (unsigned octet = 0; octet < 4; octet++)
                found.mac[2 + octet] = static_cast<__u8>(n >> (24 - 8 * octet));
            keys.push_back(found);
        }
        auto count = static_cast<__u32>(keys.size());
        if (bpf_map_update_batch(map("fdb"), keys.data(), values.data(), &count, nullptr) != 0)
            throw std::runtime_error("cannot fill the FDB: " + errno_text(errno));
    }
    const __u32 slot = 1; // of the first VTEP
    __u64 usage = 0;
    bpf_map_lookup_elem(map("usage"), &slot, &usage);
    put(map("usage"), slot, usage + entries);
}

void OldXvtep::take_over(TcKind kind)
{
    kind_ = kind;
    const auto netns = got(Netns::open(host_));
    const auto scope = got(netns.enter());
    auto session = got(Session::writer("play an older xvtep", host_));
    directory_ = session.directory;
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object_.get()) if (!bpf_map__is_internal(map)) clear(map);
    if (layout_ == 5)
        fill_layout_5(session);
    else
        fill_layout_10(session);
    copy_listeners();
    attach(session);
    if (layout_ == 5)
        fill_kernel_of_layout_5(session);
    pin();
}

void OldXvtep::fill_layout_10(const Session &session)
{
    const std::string maps = session.directory + "/maps";
    for (const char *name :
         {"dstports",     "vteps",     "vnis",          "vni_hints",  "devices",
          "local_addrs",  "underlays", "ports",         "port_hints", "vlans",
          "members",      "fdb",       "floods",        "remotes",    "remote_ids",
          "remote_state", "fdb_count", "gc_queue",      "gc_state",   "host_changes",
          "neighs",       "pmtus",     "listener_mask", "wakeup_taps"}) {
        const auto now = got(RawMap::open(maps, name));
        must_do(now.for_each([&](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
            if (bpf_map_update_elem(this->map(name), key.data(), value.data(), BPF_ANY) != 0)
                return errno_failure("update", name, errno);
            return {};
        }));
    }
    const auto alive = got(RawMap::open(maps, "alive"));
    must_do(alive.for_each([&](RawMap::Bytes key, RawMap::Bytes) -> Result<> {
        bpf_devmap_val value{};
        value.ifindex = value_of<__u32>(key);
        put(map("alive"), value.ifindex, value);
        return {};
    }));
    constexpr __u32 number = 10 * 1000 + std::size(layout_10::reasons) + 1;
    put(map("layout"), __u32{0}, number);
}

void OldXvtep::fill_layout_5(Session &session)
{
    const Tables &tables = *session.tables;
    for (const auto &vtep : got(session.vteps()))
        put(map("vteps"), vtep.slot, old_vtep(vtep));
    for (const auto &[key, slot] : got(tables.vnis.entries()))
        put(map("vnis"), key, slot);
    for (const auto &[key, slot] : got(tables.devices.entries()))
        put(map("devices"), key, slot);
    for (const auto &[key, slot] : got(tables.vni_hints.entries()))
        put(map("vni_hints"), key, slot);
    for (const auto &[key, bits] : got(tables.dstports.entries()))
        put(map("dstports"), key, bits);
    for (const auto &[key, one] : got(tables.local_addrs.entries()))
        put(map("locals"), key, one);
    for (const auto &[ifindex, underlay] : got(tables.underlays.entries())) {
        layout_5::Underlay old{};
        std::memcpy(&old, &underlay, sizeof(old)); // a later member is behind these
        put(map("underlays"), ifindex, old);
        const auto link = session.netlink.link(static_cast<int>(ifindex));
        if (link)
            must_do(put_gro_back(*link, underlay));
    }
    struct Hint {
        layout_5::Port port;
        __u32 ifindex, zero;
    };
    for (const auto &[ifindex, port] : got(tables.ports.entries())) {
        put(map("ports"), ifindex, old_port(port));
        put(map("port_hints"), ifindex % XV_PORT_HINTS, Hint{old_port(port), ifindex, 0});
    }
    for (const auto &[key, slot] : got(tables.vlans.entries()))
        put(map("vlans"), key, slot);
    for (const auto &[key, member] : got(tables.members.entries()))
        put(map("members"), key, member);
    for (const auto &[key, neigh] : got(tables.neighs.entries()))
        put(map("neighs"), key, neigh);
    for (const auto &[key, mask] : got(tables.listener_mask.entries()))
        put(map("listening"), key, mask);
    for (const auto &[key, tap] : got(tables.wakeup_taps.entries()))
        put(map("bells"), key, tap);
    fill_entries_of_layout_5(session);
    put(map("layout"), __u32{0}, __u32{5});
}

void OldXvtep::fill_entries_of_layout_5(const Session &session)
{
    const Tables &tables = *session.tables;
    std::map<std::pair<__u32, __be16>, xv_vtep> vteps;
    for (const auto &vtep : got(session.vteps()))
        vteps[{vtep.vni, vtep.dstport}] = vtep;
    std::map<__u32, __u64> usage;
    __u64 tail = 0;
    for (const auto &[key, entry] : got(tables.fdb.entries())) {
        const xv_vtep &vtep = vteps.at({key.vni, key.dstport});
        layout_5::Entry old{};
        old.flags = entry.flags & 0xff;
        old.updated = time_of(entry.updated);
        old.used = time_of(entry.used);
        old.created = time_of(entry.created);
        old.dests = 1;
        if ((entry.flags & XV_FDB_LOCAL) != 0) {
            old.dest.ifindex = entry.to;
            old.dest.vid = entry.several;
        } else {
            old.dest = old_destination(tables, vtep, entry.to);
            old.dests = entry.several;
        }
        if (entry.gc_tag != 0) {
            old.ticket = ++tail;
            put(map("ages"), tail, key);
        }
        put(map("fdb"), key, old);
        usage[vtep.slot]++;
    }
    for (const auto &[key, id] : got(tables.floods.entries()))
        put(map("floods"), key,
            old_destination(tables, vteps.at({key.entry.vni, key.entry.dstport}), id));
    for (const auto &[slot, count] : usage)
        put(map("usage"), slot, count);
    struct Sweep {
        __u64 head, tail, armed;
    };
    put(map("sweep"), __u32{0}, Sweep{0, tail, 0});
}

// Its devices learned nothing, and had unicast MACs only over IPv6 with checksums, if a command had
// written the entry. The host forwarded on lo only for a VTEP with several underlay ports.
void OldXvtep::fill_kernel_of_layout_5(Session &session)
{
    bool several = false;
    const __u32 changes = got(session.tables->host_changes.look_up(0)).value_or(0);
    for (const auto &vtep : got(session.vteps())) {
        const auto link = got(session.netlink.link(static_cast<int>(vtep.ifindex)));
        must_do(session.netlink.change_vxlan_learning(link.index, false, vtep.ageing));
        std::istringstream lines(
            sh(fmt::format("bridge -n {} fdb show dev {}", host_, link.name)).text);
        for (std::string line; std::getline(lines, line);) {
            const std::string mac = line.substr(0, line.find(' '));
            const auto dst = line.find("dst "), self = line.find(" self");
            const auto parsed = Mac::parse(mac);
            if (dst == std::string::npos || self == std::string::npos || !parsed ||
                parsed->is_zero() || parsed->is_multicast())
                continue;
            xv_fdb_key key{.vni = vtep.vni, .dstport = vtep.dstport, .mac = {}};
            std::ranges::copy(parsed->octets, key.mac);
            const auto entry = got(session.tables->fdb.look_up(key));
            const unsigned v6 = XV_VTEP_V6 | XV_VTEP_UDPCSUM;
            if (entry && (entry->flags & XV_FDB_USER) != 0 && (vtep.flags & v6) == v6)
                continue;
            sh(fmt::format("bridge -n {} fdb del {} dev {} {} self", host_, mac, link.name,
                           line.substr(dst, self - dst)));
        }
        if (vtep.underlay_count > 1 && !several) {
            several = true;
            const __u32 flag =
                (vtep.flags & XV_VTEP_V6) != 0 ? XV_HOST_FORWARDING_V6 : XV_HOST_FORWARDING_V4;
            auto old = old_vtep(vtep);
            old.flags |= (changes & flag) != 0 ? layout_5::made_lo_forward : 0;
            put(map("vteps"), vtep.slot, old);
        }
    }
    if (several)
        return;
    if ((changes & XV_HOST_FORWARDING_V4) != 0)
        must_do(set_sysctl("net/ipv4/conf/lo/forwarding", "0"));
    if ((changes & XV_HOST_FORWARDING_V6) != 0)
        must_do(set_sysctl("net/ipv6/conf/lo/forwarding", "0"));
}

void OldXvtep::copy_listeners()
{
    const auto now = got(RawMap::open(directory_ + "/maps", "listeners"));
    must_do(now.for_each([&](RawMap::Bytes key, RawMap::Bytes value) -> Result<> {
        const Fd ring(bpf_map_get_fd_by_id(value_of<__u32>(value)));
        const int fd = ring.get();
        if (ring && bpf_map_update_elem(map("listeners"), key.data(), &fd, BPF_ANY) != 0)
            return errno_failure("update", "listeners", errno);
        return {};
    }));
}

void OldXvtep::attach_tc(const Link &link, bool ingress, const char *name)
{
    const std::string path =
        fmt::format("{}/links/{}_{}", directory_, link.index, ingress ? "ingress" : "egress");
    if (name == nullptr || kind_ == TcKind::clsact)
        ::unlink(path.c_str());
    if (name == nullptr)
        return;
    if (kind_ == TcKind::clsact) {
        const LibbpfLog log;
        LIBBPF_OPTS(bpf_tc_hook, hook);
        hook.ifindex = link.index;
        hook.attach_point = ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
        (void)bpf_tc_hook_create(&hook);
        LIBBPF_OPTS(bpf_tc_opts, options);
        options.handle = options.priority = 0x7876;
        options.prog_fd = program(name);
        options.flags = BPF_TC_F_REPLACE;
        if (const int error = bpf_tc_attach(&hook, &options); error != 0)
            throw std::runtime_error(fmt::format("{}: {}", link.name, log.error()));
        return;
    }
    if (const Fd pinned(bpf_obj_get(path.c_str())); pinned) {
        if (bpf_link_update(pinned.get(), program(name), nullptr) != 0)
            throw std::runtime_error(path + ": " + errno_text(errno));
        return;
    }
    const Fd made(
        bpf_link_create(program(name), link.index, ingress ? tcx_ingress : tcx_egress, nullptr));
    if (!made || bpf_obj_pin(made.get(), path.c_str()) != 0)
        throw std::runtime_error(path + ": " + errno_text(errno));
}

// By libxdp, as it was.
void OldXvtep::attach_xdp(const Link &link, bool generic, const char *name)
{
    must_do(detach_xdp(link.index));
    const LibbpfLog log;
    const BpfObject object = open_object(layout_);
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, object.get())
        bpf_program__set_autoload(program, bpf_program__name(program) == std::string_view(name));
    bpf_map *map = nullptr;
    bpf_object__for_each_map(
        map, object.get()) if (!bpf_map__is_internal(map) &&
                               bpf_map__reuse_fd(map, this->map(bpf_map__name(map))) !=
                                   0) throw std::runtime_error("cannot use a map again");
    xdp_program_opts options{};
    options.sz = sizeof(options);
    options.obj = object.get();
    options.prog_name = name;
    xdp_program *const made = xdp_program__create(&options);
    if (libxdp_get_error(made) != 0)
        throw std::runtime_error("cannot open " + std::string(name));
    const int error =
        xdp_program__attach(made, link.index, generic ? XDP_MODE_SKB : XDP_MODE_NATIVE, 0);
    xdp_program__close(made);
    if (error != 0)
        throw std::runtime_error(fmt::format("XDP of {}: {}", link.name, log.error()));
}

void OldXvtep::attach(Session &session)
{
    const Names names = names_of(layout_);
    const Tables &tables = *session.tables;
    const bool clsact = kind_ == TcKind::clsact;
    for (const auto &link : got(session.netlink.links())) {
        const auto key = static_cast<__u32>(link.index);
        if (const auto underlay = got(tables.underlays.look_up(key))) {
            if (!clsact)
                remove_clsact(link); // with the filters of this test's other layout
            attach_tc(link, true, names.underlay_ingress);
            attach_tc(link, false, names.underlay_egress);
            if (underlay->mode != XV_MODE_TC)
                attach_xdp(link, underlay->mode == XV_MODE_SKB, "xvtep_xdp_underlay");
            auto old = *underlay;
            old.made_clsact = clsact ? 1 : 0;
            if (layout_ == 5) {
                layout_5::Underlay older{};
                std::memcpy(&older, &old, sizeof(older));
                put(map("underlays"), key, older);
            } else {
                put(map("underlays"), key, old);
            }
        }
        if (got(tables.devices.look_up(key))) {
            remove_clsact(link); // whose filters it shares with other devices
            attach_tc(link, false, names.device_egress);
            attach_tc(link, true, names.device_ingress);
        }
        if (const auto port = got(tables.ports.look_up(key))) {
            if (!clsact)
                remove_clsact(link);
            attach_tc(link, true, names.port_ingress);
            attach_tc(link, false, names.port_egress);
            if (port->mode != XV_MODE_TC)
                attach_xdp(link, port->mode == XV_MODE_SKB, "xvtep_xdp_port");
            auto old = *port;
            old.flags &= ~static_cast<__u32>(XV_PORT_MADE_CLSACT);
            old.flags |= clsact ? XV_PORT_MADE_CLSACT : 0;
            if (layout_ == 5)
                put(map("ports"), key, old_port(old));
            else
                put(map("ports"), key, old);
        }
    }
}

void OldXvtep::pin() const
{
    for (const char *part : {"maps", "programs"}) {
        fs::remove_all(directory_ + "/" + part);
        fs::create_directories(directory_ + "/" + part);
    }
    const auto pin = [&](int fd, const char *part, const char *name) {
        if (bpf_obj_pin(fd, fmt::format("{}/{}/{}", directory_, part, name).c_str()) != 0)
            throw std::runtime_error(std::string(name) + ": " + errno_text(errno));
    };
    const Names names = names_of(layout_);
    for (const char *name : {names.underlay_ingress, names.underlay_egress, names.device_egress,
                             names.device_ingress, names.port_ingress, names.port_egress})
        if (name != nullptr)
            pin(program(name), "programs", name);
    pin(program("xvtep_fdb_put"), "programs", "xvtep_fdb_put");
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map,
                             object_.get()) if (!bpf_map__is_internal(map) &&
                                                bpf_map__name(map) != std::string_view("layout"))
        pin(bpf_map__fd(map), "maps", bpf_map__name(map));
    pin(this->map("layout"), "maps", "layout");
}

} // namespace xvtep::test
