// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/health.h"

#include <arpa/inet.h>
#include <linux/neighbour.h>

#include <algorithm>
#include <iterator>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "user/datapath/xdp_attach.h"
#include "user/vtep/device.h"
#include "user/vtep/record.h"
#include "user/vtep/remote_table.h"
#include "user/vtep/underlay.h"
#include "xvtep/option.h"

namespace xvtep {
namespace {

bool is_permanent(std::uint16_t state, std::uint8_t flags, std::uint16_t permanent)
{
    return (state & permanent) != 0 || (flags & NTF_EXT_LEARNED) != 0;
}

Result<bool> sends_to(const Tables &tables, const xv_fdb_key &key, const Ip &dst)
{
    TRY_ASSIGN(const auto entry, tables.fdb.look_up(key));
    if (!entry)
        return false;
    const auto leads_there = [&](__u32 id) {
        const xv_remote *const remote = find_remote(tables, id);
        return remote != nullptr && to_ip(remote->addr) == dst;
    };
    if ((entry->flags & XV_FDB_LOCAL) != 0)
        return false;
    if (leads_there(entry->to))
        return true;
    for (__u32 n = 1; n < entry->several; n++) {
        TRY_ASSIGN(const auto id, (tables.floods.look_up({key, n})));
        if (id && leads_there(*id))
            return true;
    }
    return false;
}

// Only the beginning of a large table is read.
constexpr std::size_t most_entries = 16384;

// So many devices are asked for one by one.
constexpr unsigned few = 8;

// Lists options in the words of `ip link set … type vxlan`. Features that the programs provide are
// switched off in the device.
std::vector<std::string> foreign_options(const xv_vtep &vtep, const VxlanOptions &now)
{
    AttachRequest made;
    read_options(vtep, made);
    made.ageing = kernel_ageing(made.ageing);
    if (has_many_vnis(vtep)) { // each VNI has its own
        made.remote.reset();
        made.group.reset();
    }
    if ((vtep.flags & XV_VTEP_LOCAL_AUTO) != 0) // it chooses by the route
        made.local.reset();
    if (!now.ttl.inherit && now.ttl.value == 0)
        made.ttl.value = 0; // the host's default, which the programs have as a number
    std::vector<std::string> found;
    for (const AttachOption &option : attach_options()) {
        const OptionValue value = option_value(now, option);
        const bool is_off = value == OptionValue(false) || value == OptionValue(std::uint64_t{0});
        // The device does not learn, answer or count where the programs do.
        const bool left_off = is_off && (option.kernel.by_programs ||
                                         option.field == OptionField(&AttachRequest::learning));
        if (option.kernel.type == 0 || option.kernel.fixed || left_off ||
            value == option_value(made, option))
            continue;
        const std::string text = option_text(now, option);
        found.push_back(text.empty() ? std::string(option.word) + " none" : text);
    }
    return found;
}

} // namespace

Inspection::Inspection(Session &session, const std::vector<Link> &links, DeviceBlocks blocks)
    : session_(&session), links_(&links), blocks_(std::move(blocks))
{
}

Result<Inspection> Inspection::begin(Session &session, const std::vector<Link> &links)
{
    TRY_ASSIGN(auto blocks, DeviceBlocks::read(session.netlink));
    Inspection made(session, links, std::move(blocks));
    TRY_ASSIGN(const auto pinned, pinned_links(session.directory));
    for (const auto &link : pinned)
        made.pinned_[{link.ifindex, link.hook}] = link.dead;
    TRY_ASSIGN(const auto addresses, session.netlink.addresses());
    for (const auto &[index, prefix] : addresses)
        made.addresses_.insert(prefix.address);
    if (session.tables)
        TRY(made.read_ports());
    return made;
}

// A trunk has several VTEPs.
Result<> Inspection::read_ports()
{
    std::map<__u32, xv_port> ports;
    std::set<std::pair<__u32, __u32>> seen; // slot and ifindex
    const auto add = [&](__u32 slot, __u32 ifindex) {
        const auto port = ports.find(ifindex);
        if (port != ports.end() && seen.emplace(slot, ifindex).second)
            ports_.emplace(slot, *port);
    };
    TRY_ASSIGN(const auto entries, session_->tables->ports.entries());
    ports.insert(entries.begin(), entries.end());
    for (const auto &[ifindex, port] : entries)
        add(port.vtep, ifindex);
    if (ports.empty())
        return {};
    TRY_ASSIGN(const auto vlans, session_->tables->vlans.entries());
    for (const auto &[vlan, slot] : vlans)
        add(slot, vlan.ifindex);
    return {};
}

Result<Problem> Inspection::absence_of(const xv_vtep &vtep, const MovedDevice *moved) const
{
    const std::string detach = "\"xvtep detach " + device_name(*links_, vtep) + "\"";
    const std::string where = moved != nullptr ? moved->netns->name() : "";
    if (moved != nullptr && !moved->away)
        return Problem{"device_moved", where,
                       "its device has come back under another interface index",
                       detach + ", and attach again"};
    if (moved != nullptr)
        return Problem{"device_moved", where,
                       "its device is in namespace " + where + " as " + moved->link->name,
                       "move it back, or " + detach + " removes it there"};
    TRY_ASSIGN(const bool exists, device_exists(*session_, vtep));
    if (exists)
        return Problem{"device_moved", where,
                       "its device is in a namespace that cannot be seen from here",
                       "move it back"};
    return Problem{"device_gone", where, "its device is gone", detach + " removes what is left"};
}

Result<std::vector<Problem>> Inspection::of(const xv_vtep &vtep, const MovedDevice *moved)
{
    std::vector<Problem> found;
    const std::string name = device_name(*links_, vtep);
    if (const Link *device = find_device(*links_, vtep)) {
        TRY_SET(found, of_device(vtep, *device));
    } else {
        TRY_ASSIGN(auto absence, absence_of(vtep, moved));
        found.push_back(std::move(absence));
    }
    for (__u32 i = 0; i < vtep.underlay_count; i++) {
        const auto key = vtep.underlays[i];
        const Link *const link = find_link(*links_, static_cast<int>(key));
        TRY_ASSIGN(const auto entry, session_->tables->underlays.look_up(key));
        if ((link == nullptr || !entry) && (vtep.flags & XV_VTEP_ROUTED) != 0)
            continue; // routes lead to others now
        if (link == nullptr || !entry) {
            found.push_back(
                {"underlay_gone", fmt::format("ifindex {}", key),
                 fmt::format("underlay port {} of {} is gone", i + 1, vtep.underlay_count),
                 "detach " + name + ", and attach it to another"});
            continue;
        }
        const auto [seen, is_new] = of_underlays_.try_emplace(key);
        if (is_new) {
            TRY(missing_programs(*link, programs_of(*entry), seen->second));
            missing_xdp(*link, entry->mode, Program::xdp_underlay, seen->second);
        }
        std::ranges::copy(seen->second, std::back_inserter(found));
    }
    TRY_ASSIGN(const auto unattached, unattached_ports(*session_, vtep));
    for (const int port : unattached)
        if (const Link *const link = find_link(*links_, port))
            found.push_back(
                {"underlay_unattached", link->name,
                 "a route leads to " + link->name + ", where packets take the kernel's path",
                 "\"xvtep reload\" attaches to it"});
    TRY(of_ports(vtep.slot, found));
    if (const Ip local = to_ip(vtep.local); !has_address(local))
        found.push_back({"local_missing", local.text(),
                         "its local address " + local.text() + " is not on this host",
                         (vtep.flags & XV_VTEP_LOCAL_AUTO) != 0
                             ? "it takes another one as soon as the routes have one"
                             : "\"xvtep set " + name +
                                   " local IP\" gives it another, and \"local "
                                   "any\" follows the routes"});
    return found;
}

Result<> Inspection::of_ports(__u32 slot, std::vector<Problem> &found)
{
    const auto [first, last] = ports_.equal_range(slot);
    for (auto at = first; at != last; ++at) {
        TRY_ASSIGN(auto more, of_port(at->second.first, at->second.second));
        std::ranges::move(more, std::back_inserter(found));
    }
    return {};
}

Result<std::vector<KernelFdbEntry>> Inspection::kernel_fdb(int ifindex)
{
    if (!fdbs_ && fdbs_read_++ < few)
        return some_kernel_fdb(ifindex, most_entries);
    if (!fdbs_)
        TRY_SET(fdbs_, some_kernel_fdbs(most_entries));
    const auto found = fdbs_->of.find(ifindex);
    if (found != fdbs_->of.end())
        return std::move(found->second);
    return fdbs_->complete ? std::vector<KernelFdbEntry>() : some_kernel_fdb(ifindex, most_entries);
}

Result<std::vector<KernelNeighbour>> Inspection::kernel_neighbours(int ifindex)
{
    if (!neighbours_ && neighbours_read_++ < few)
        return session_->netlink.neighbours(ifindex);
    if (!neighbours_)
        TRY_SET(neighbours_, session_->netlink.neighbours());
    std::vector<KernelNeighbour> found;
    const auto [first, last] = neighbours_->equal_range(ifindex);
    for (auto at = first; at != last; ++at)
        found.push_back(at->second);
    return found;
}

// Counts entries that somebody has written to the kernel's table and that the programs do not know.
// Entries that the kernel's device has learned do not count.
Result<std::size_t> Inspection::foreign_entries(const xv_vtep &vtep)
{
    TRY_ASSIGN(const auto entries, kernel_fdb(static_cast<int>(vtep.ifindex)));
    std::size_t count = 0;
    for (const auto &entry : entries) {
        if (!is_permanent(entry.state, entry.flags, NUD_PERMANENT | NUD_NOARP))
            continue;
        xv_fdb_key key{};
        key.vni = has_many_vnis(vtep) ? entry.src_vni : vtep.vni;
        key.dstport = vtep.dstport;
        std::ranges::copy(entry.mac.octets, key.mac);
        bool ours = false;
        if (entry.dst)
            TRY_SET(ours, sends_to(*session_->tables, key, *entry.dst));
        count += ours ? 0 : 1;
    }
    return count;
}

// Counts neighbours that the programs do not know. They matter only with proxy or rsc, which in the
// kernel's device use the host's neighbour table.
Result<std::size_t> Inspection::foreign_neighbours(const xv_vtep &vtep)
{
    // The kernel's neighbours have no VNI.
    if ((vtep.flags & (XV_VTEP_PROXY | XV_VTEP_RSC)) == 0 || has_many_vnis(vtep))
        return 0;
    TRY_ASSIGN(const auto neighbours, kernel_neighbours(static_cast<int>(vtep.ifindex)));
    std::size_t count = 0;
    for (const auto &neighbour : neighbours) {
        if (!is_permanent(neighbour.state, neighbour.flags, NUD_PERMANENT))
            continue;
        xv_neigh_key key{};
        key.vni = vtep.vni;
        key.dstport = vtep.dstport;
        key.addr = to_addr(neighbour.ip);
        TRY_ASSIGN(const auto known, session_->tables->neighs.look_up(key));
        count += known && std::ranges::equal(known->mac, neighbour.mac.octets) ? 0 : 1;
    }
    return count;
}

Result<std::vector<Problem>> Inspection::of_port(__u32 ifindex, const xv_port &port)
{
    std::vector<Problem> found;
    const Link *const link = find_link(*links_, static_cast<int>(ifindex));
    if (link == nullptr)
        return found;
    TRY(missing_programs(*link, port_programs, found));
    missing_xdp(*link, port.mode, Program::xdp_port, found);
    return found;
}

Result<std::vector<Problem>> Inspection::of_device(const xv_vtep &vtep, const Link &device)
{
    std::vector<Problem> found;
    const std::string &name = device.name;
    TRY(missing_programs(device, device_programs, found));
    TRY_ASSIGN(const auto entries, foreign_entries(vtep));
    if (entries != 0)
        found.push_back({"foreign_entries", name,
                         fmt::format("the kernel's table has entries that xvtep does not know "
                                     "(bridge fdb show dev {}): {}",
                                     name, entries),
                         "write them by \"xvtep fdb\" with the same words", entries});
    TRY_ASSIGN(const auto neighbours, foreign_neighbours(vtep));
    if (neighbours != 0)
        found.push_back({"foreign_neighbours", name,
                         fmt::format("the kernel has neighbours that xvtep does not answer with "
                                     "(ip neigh show dev {}): {}",
                                     name, neighbours),
                         "write them by \"xvtep neigh\" with the same words", neighbours});
    if (const auto options =
            device.vxlan ? foreign_options(vtep, *device.vxlan) : std::vector<std::string>();
        !options.empty())
        found.push_back(
            {"foreign_options", fmt::format("{}", fmt::join(options, ", ")),
             fmt::format("the kernel's device was given options that xvtep does not go by: {}",
                         fmt::join(options, ", ")),
             "\"xvtep set " + name + "\" with the same words gives them to both", options.size()});
    return found;
}

Result<> Inspection::missing_programs(const Link &link, std::span<const ProgramAt> wanted,
                                      std::vector<Problem> &found) const
{
    for (const auto &[hook, program] : wanted) {
        const auto pinned = pinned_.find({link.index, hook});
        bool there =
            blocks_.is_attached(link.index, hook) || (pinned != pinned_.end() && !pinned->second);
        if (!there && pinned == pinned_.end())
            TRY_SET(there, is_tc_attached({session_->directory, link.index, hook, link.name}));
        if (!there)
            found.push_back(
                {"program_missing", program_name(program),
                 fmt::format("program {} is missing at {}", program_name(program), link.name),
                 "\"xvtep reload\" puts it back"});
    }
    return {};
}

void Inspection::missing_xdp(const Link &link, __u32 mode, Program program,
                             std::vector<Problem> &found) const
{
    // A program that this process may not look at counts as present.
    if (mode == XV_MODE_TC || (link.xdp_program != 0 && is_xdp_attached(link.index).value_or(true)))
        return;
    found.push_back({"program_missing", program_name(program),
                     fmt::format("program {} is missing at {}", program_name(program), link.name),
                     "\"xvtep reload\" puts it back"});
}

bool Inspection::has_address(const Ip &address)
{
    if (addresses_.contains(address))
        return true;
    const auto route = session_->netlink.route_to(address); // a local route may cover it
    return route && route->is_local;
}

} // namespace xvtep
