// SPDX-License-Identifier: GPL-2.0-only
#include "xvtep/change.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "user/base/undo.h"
#include "user/vtep/change.h"
#include "user/vtep/clock.h"
#include "user/vtep/device.h"
#include "user/vtep/fdb_writer.h"
#include "user/vtep/grow.h"
#include "user/vtep/indexes.h"
#include "user/vtep/record.h"
#include "user/vtep/remote_repair.h"
#include "user/vtep/remote_table.h"
#include "user/vtep/route_queries.h"
#include "user/vtep/source.h"
#include "user/vtep/underlay.h"
#include "user/vtep/validate.h"
#include "user/vtep/vni_table.h"
#include "user/vtep/vtep.h"

namespace xvtep {
namespace {

using Rows = std::vector<const AttachOption *>;

bool is_field(const AttachOption &option, const OptionField &field)
{
    return option.field == field;
}

std::optional<Ip> far_of(const AttachRequest &request)
{
    return request.remote ? request.remote : request.group;
}

// The options that the kernel's device changes while it lives.
bool kernel_changes(const AttachOption &option)
{
    return option.kernel.type != 0 && !option.kernel.fixed && !option.kernel.by_programs;
}

// A change of the kernel's device: the rows, and the values that it gets. `remote` and `group` are
// one attribute there.
struct KernelChange {
    VxlanOptions options;
    Rows rows;
};

// `wanted` has no local address if the kernel is to choose it.
KernelChange kernel_change(const AttachRequest &wanted, const Rows &rows, bool v6)
{
    KernelChange change{.options = VxlanOptions{wanted}, .rows = {}};
    VxlanOptions &options = change.options;
    bool has_far = false;
    for (const AttachOption *const option : rows) {
        const bool far =
            is_field(*option, &AttachRequest::remote) || is_field(*option, &AttachRequest::group);
        // The kernel refuses the flag of "inherit", also where it is set already.
        const bool ttl = is_field(*option, &AttachRequest::ttl) && wanted.ttl.inherit;
        // It refuses a label, also 0, without IPv6.
        const bool label = is_field(*option, &AttachRequest::flowlabel) && !v6;
        if (kernel_changes(*option) && !(far && has_far) && !ttl && !label)
            change.rows.push_back(option);
        has_far = has_far || far;
    }
    if (!options.local)
        options.local = no_address(v6);
    const Ip far = far_of(wanted).value_or(no_address(v6));
    options.remote = options.group = far;
    options.ageing = kernel_ageing(wanted.ageing);
    return change;
}

std::vector<xv_vtep> with_options_of(const xv_vtep &device, std::vector<xv_vtep> vteps)
{
    constexpr __u32 own = XV_VTEP_CHANGING;
    constexpr __u32 devices = XV_VTEP_DEVICE | XV_VTEP_MADE_BRIDGE | XV_VTEP_CHANGING_OPTIONS | own;
    for (auto &vtep : vteps) {
        xv_vtep changed = device;
        changed.flags = (device.flags & ~devices) | (vtep.flags & own);
        changed.slot = vtep.slot;
        changed.vni = vtep.vni;
        changed.vid = vtep.vid;
        changed.members = vtep.members;
        changed.remote = vtep.remote;
        vtep = changed;
    }
    return vteps;
}

// The VTEPs of the device: one, or one for each VNI.
Result<std::vector<xv_vtep>> vteps_of(const Session &session, const xv_vtep &record)
{
    if (has_many_vnis(record))
        return vteps_on(session, record.ifindex);
    return std::vector{record};
}

// With `accept known`, each destination that has a port, a VNI or an underlay port of its own
// counts for the plain remote of its address, too (hold_remote()).
Result<> settle_plain_remotes(Session &session, const xv_vtep &record)
{
    const Tables &tables = *session.tables;
    TRY_ASSIGN(const auto vteps, vteps_of(session, record));
    std::map<std::pair<__u32, __be16>, xv_vtep> by_vni;
    std::set<__u32> slots;
    for (xv_vtep vtep : vteps) {
        vtep.flags &= ~static_cast<__u32>(XV_VTEP_ACCEPT_KNOWN);
        vtep.flags |= record.flags & XV_VTEP_ACCEPT_KNOWN;
        by_vni.emplace(std::pair(vtep.vni, vtep.dstport), vtep);
        slots.insert(vtep.slot);
    }
    const RemoteChange change(tables);
    TRY_ASSIGN(const auto ids, tables.remote_ids.entries());
    for (const auto &[key, id] : ids)
        if (xv_remote *const remote = find_remote(tables, id);
            remote != nullptr && slots.contains(key.slot))
            std::atomic_ref(remote->plain).store(0);
    TRY_ASSIGN(const auto entries, tables.fdb.entries());
    for (const auto &[key, entry] : entries) {
        const auto vtep = by_vni.find({key.vni, key.dstport});
        if (vtep == by_vni.end() || (entry.flags & XV_FDB_LOCAL) != 0 ||
            (entry.flags & XV_FDB_USER) == 0)
            continue;
        FdbWriter writer(session, vtep->second, Mac{std::to_array(key.mac)});
        TRY_ASSIGN(const auto keys, writer.remotes(entry));
        TRY(growing(session, &Sizes::remotes,
                    [&] { return hold_remotes(tables, vtep->second, keys, entry.flags); }));
    }
    return count_references_again(session);
}

// Entries that were learned or written while nothing aged are not in the queue of the garbage
// collection, and their remotes stay for good.
Result<> queue_what_ages_now(const Session &session, const xv_vtep &record)
{
    const Tables &tables = *session.tables;
    TRY_ASSIGN(const auto vteps, vteps_of(session, record));
    std::set<std::pair<__u32, __be16>> vnis;
    std::set<__u32> slots;
    for (const auto &vtep : vteps) {
        vnis.emplace(vtep.vni, vtep.dstport);
        slots.insert(vtep.slot);
    }
    TRY_ASSIGN(const auto entries, tables.fdb.entries());
    for (auto [key, entry] : entries) {
        if (!vnis.contains({key.vni, key.dstport}) || entry.gc_tag != 0 ||
            (entry.flags & (XV_FDB_STATIC | XV_FDB_PERMANENT)) != 0)
            continue;
        const __u64 seq = add_shared(tables.gc_state[0].tail, __u64{1});
        entry.gc_tag = xv_gc_tag(seq) & 15U;
        TRY(tables.gc_queue.put(seq, key));
        if (const auto put = tables.fdb.put(key, entry, BPF_EXIST);
            !put && put.error().code != ENOENT)
            return put;
    }
    TRY_ASSIGN(const auto ids, tables.remote_ids.entries());
    for (const auto &[key, id] : ids)
        if (xv_remote *const remote = find_remote(tables, id);
            remote != nullptr && slots.contains(key.slot)) {
            std::atomic_ref(remote->seen).store(xv_tick(monotonic()));
            std::atomic_ref(remote->flags).fetch_and(~static_cast<__u32>(XV_REMOTE_STAYS));
        }
    start_expiry(session);
    return {};
}

// The destination of the default entry that attach makes for this remote.
xv_remote_key default_destination(const xv_vtep &vtep, const xv_addr &addr)
{
    return {.addr = addr,
            .slot = vtep.slot,
            .vni = vtep.vni,
            .via = bound_port(vtep),
            .port = vtep.dstport,
            .zero = 0};
}

// Gives the default entry of the programs the remote `to` for `from`, as the kernel does with its
// own when the option is changed; those that were appended stay.
Result<> replace_default(Session &session, const xv_vtep &vtep, const xv_addr &from,
                         const xv_addr &to)
{
    const RemoteChange change(*session.tables);
    FdbWriter writer(session, vtep, Mac());
    TRY_ASSIGN(const auto entry, writer.current());
    std::vector<xv_remote_key> destinations;
    if (entry)
        TRY_SET(destinations, writer.remotes(*entry));
    const auto leads_to = [&](const xv_addr &addr) {
        return [key = default_destination(vtep, addr)](const xv_remote_key &one) {
            return same_remote(one, key);
        };
    };
    if (to_ip(from) != to_ip(to))
        std::erase_if(destinations, leads_to(from));
    if (addr_is_set(to) && std::ranges::none_of(destinations, leads_to(to)))
        destinations.push_back(default_destination(vtep, to));
    if (destinations.size() > XV_FLOOD_MAX)
        return session.refused(
            fmt::format("the default entry has {} destinations already", XV_FLOOD_MAX), ENOSPC);
    if (destinations.empty())
        return writer.remove();
    xv_fdb fresh{};
    fresh.flags = XV_FDB_PERMANENT | XV_FDB_USER;
    fresh.several = 1;
    fresh.updated = fresh.used = fresh.created = xv_tick(monotonic());
    return writer.put(entry.value_or(fresh), destinations);
}

// Changes in steps. Each step pushes what takes it back. The record with XV_VTEP_CHANGING_OPTIONS
// has the old options until the kernel's device and the entries have the new ones.
class Change {
  public:
    Change(Session &session, const Changes &changes) : session_(session), changes_(changes) {}

    Result<VtepInfo> run(const std::string &name)
    {
        TRY_SET(before_, session_.device_named(name));
        TRY_SET(device_, session_.wrap(session_.netlink.link(static_cast<int>(before_.ifindex))));
        if (!is_device_of(device_, before_))
            return session_.refused("its device is not here (xvtep show says more)", ENODEV);
        TRY(merge());
        TRY(choose_local());
        write_record();
        if (changes_.has(&AttachRequest::fdb_size) &&
            wanted_.fdb_size > session_.tables->sizes().fdb)
            TRY(grow(session_, &Sizes::fdb, wanted_.fdb_size));
        TRY(session_.wrap(mark()));
        TRY(change_link());
        TRY(session_.wrap(change_kernel()));
        TRY(session_.wrap(change_default()));
        TRY(session_.wrap(change_accept()));
        // From here on, whoever finds this command killed goes on to the new options.
        TRY(session_.wrap(commit_record(session_, after_)));
        if (ages_now())
            TRY(session_.wrap(queue_what_ages_now(session_, after_)));
        TRY(session_.wrap(allow_route_queries(session_)));
        TRY_ASSIGN(auto changed, read_back());
        undo_.commit();
        follow_routes(session_, after_);
        return changed;
    }

  private:
    [[nodiscard]] bool v6() const { return (before_.flags & XV_VTEP_V6) != 0; }

    // Sets wanted_ to the options of now with the changes.
    Result<> merge()
    {
        read_options(before_, wanted_);
        if (has_many_vnis(before_) &&
            (changes_.has(&AttachRequest::remote) || changes_.has(&AttachRequest::group)))
            return session_.usage("each of its VNIs has a default entry of its own (xvtep fdb "
                                  "replace 00:00:00:00:00:00 dev IFNAME src_vni N dst IP)");
        const bool was_inherited = wanted_.ttl.inherit;
        for (const AttachOption *const option : changes_.options) {
            if (is_field(*option, &AttachRequest::remote))
                wanted_.group.reset();
            if (is_field(*option, &AttachRequest::group))
                wanted_.remote.reset();
        }
        for (const AttachOption *const option : changes_.options) {
            const OptionValue value = option_value(changes_.to, *option);
            const bool none = std::holds_alternative<std::monostate>(value);
            const auto *const field =
                std::get_if<std::optional<Ip> AttachRequest::*>(&option->field);
            TRY(same_family(*option, field != nullptr ? changes_.to.**field : std::nullopt));
            if (!(none && is_field(*option, &AttachRequest::local)))
                (void)set_option(wanted_, *option, value);
        }
        if (const auto cause = wrong_options(wanted_); !cause.empty())
            return session_.usage(cause);
        if (was_inherited != wanted_.ttl.inherit)
            return session_.refused("the kernel cannot change ttl to or from inherit on a living "
                                    "device (detach, and attach with it)",
                                    EOPNOTSUPP);
        return {};
    }

    Result<> same_family(const AttachOption &option, const std::optional<Ip> &address) const
    {
        if (!address || address->is_v6() == v6())
            return {};
        return session_.usage(fmt::format("{} {} and {}, which it has, are of different families",
                                          option.word, address->text(),
                                          to_ip(before_.local).text()));
    }

    Result<> choose_local()
    {
        follows_ = (before_.flags & XV_VTEP_LOCAL_AUTO) != 0;
        if (!changes_.has(&AttachRequest::local) || changes_.to.local) {
            follows_ = follows_ && !changes_.has(&AttachRequest::local);
            return {};
        }
        TRY_SET(wanted_.local,
                choose_source(session_, {.remote = wanted_.remote,
                                         .ports = {before_.underlays, before_.underlay_count},
                                         .v6 = v6(),
                                         .routed = (before_.flags & XV_VTEP_ROUTED) != 0}));
        follows_ = true;
        return {};
    }

    void write_record()
    {
        after_ = before_;
        after_.flags &= ~static_cast<__u32>(XV_VTEP_LOCAL_AUTO | XV_VTEP_CHANGING_OPTIONS);
        after_.flags |= flag_if(follows_, XV_VTEP_LOCAL_AUTO);
        AttachRequest chosen = wanted_;
        if (chosen.ttl.value == 0)
            chosen.ttl.value = default_ttl(v6());
        write_options(after_, chosen);
        if (wanted_.mac)
            std::ranges::copy(wanted_.mac->octets, after_.mac);
    }

    // From here on, whoever finds this command killed puts the old options back.
    Result<> mark()
    {
        xv_vtep marked = before_;
        marked.flags |= XV_VTEP_CHANGING_OPTIONS;
        undo_.push([this] {
            (void)put_record(session_, before_);
            (void)derive_lookups(session_);
        });
        return session_.tables->vteps.put(marked.slot, marked);
    }

    // What every device has: MTU and MAC.
    Result<> change_link()
    {
        LinkChange to, back;
        if (wanted_.mtu && *wanted_.mtu != device_.mtu) {
            to.mtu = wanted_.mtu;
            back.mtu = device_.mtu;
        }
        if (wanted_.mac && *wanted_.mac != device_.mac) {
            to.mac = wanted_.mac;
            back.mac = device_.mac;
        }
        if (!to.mtu && !to.mac)
            return {};
        undo_.push([this, back] { (void)session_.netlink.change_link(device_.index, back); });
        return session_.wrap(session_.netlink.change_link(device_.index, to));
    }

    Result<> change_kernel()
    {
        AttachRequest to = wanted_;
        if (follows_)
            to.local.reset();
        const auto change = kernel_change(to, changes_.options, v6());
        if (change.rows.empty())
            return {};
        const auto back = kernel_change(*device_.vxlan, change.rows, v6());
        undo_.push([this, back] {
            (void)session_.netlink.change_vxlan(device_.index, back.options, back.rows);
        });
        return session_.netlink.change_vxlan(device_.index, change.options, change.rows);
    }

    Result<> change_default()
    {
        if (!changes_.has(&AttachRequest::remote) && !changes_.has(&AttachRequest::group))
            return {};
        undo_.push(
            [this] { (void)replace_default(session_, before_, after_.remote, before_.remote); });
        return replace_default(session_, before_, before_.remote, after_.remote);
    }

    Result<> change_accept()
    {
        if (((before_.flags ^ after_.flags) & XV_VTEP_ACCEPT_KNOWN) == 0)
            return {};
        undo_.push([this] { (void)settle_plain_remotes(session_, before_); });
        return settle_plain_remotes(session_, after_);
    }

    [[nodiscard]] bool ages_now() const
    {
        return before_.ageing == 0 && before_.hard_ageing == 0 &&
               (after_.ageing != 0 || after_.hard_ageing != 0);
    }

    Result<VtepInfo> read_back()
    {
        TRY_ASSIGN(const auto links, session_.wrap(session_.netlink.links()));
        return session_.wrap(describe(session_, after_, links));
    }

    Session &session_;
    const Changes &changes_;
    xv_vtep before_{}, after_{};
    Link device_;
    AttachRequest wanted_;
    bool follows_ = false;
    Undo undo_;
};

// What is wrong with the changes on any system.
std::string wrong_changes(const Changes &changes)
{
    if (changes.options.empty())
        return "nothing to set (xvtep set IFNAME local IP)";
    for (const AttachOption *const option : changes.options)
        if (const auto reason = why_kept(*option); !reason.empty())
            return fmt::format("{} stays as it is: {}", option->word, reason);
    if (changes.has(&AttachRequest::remote) && changes.has(&AttachRequest::group))
        return "remote and group exclude each other";
    return "";
}

} // namespace

bool Changes::has(const OptionField &field) const
{
    return std::ranges::any_of(options,
                               [&](const AttachOption *option) { return option->field == field; });
}

Result<> put_record(Session &session, const xv_vtep &record)
{
    if (has_many_vnis(record)) {
        xv_vtep marked = record;
        marked.flags |= XV_VTEP_CHANGING_OPTIONS;
        TRY(session.tables->vteps.put(marked.slot, marked));
        TRY_ASSIGN(auto vteps, vteps_on(session, record.ifindex));
        for (const auto &vtep : with_options_of(record, std::move(vteps)))
            TRY(session.tables->vteps.put(vtep.slot, vtep));
    }
    return session.tables->vteps.put(record.slot, record);
}

Result<> commit_record(Session &session, const xv_vtep &record)
{
    xv_vtep whole = record, marked = record;
    whole.flags &= ~static_cast<__u32>(XV_VTEP_CHANGING_OPTIONS);
    marked.flags |= XV_VTEP_CHANGING_OPTIONS;
    TRY(put_record(session, marked));
    TRY(derive_lookups(session));
    return session.tables->vteps.put(whole.slot, whole);
}

Result<> repair_options(Session &session, const xv_vtep &record, const Link &device)
{
    const bool v6 = (record.flags & XV_VTEP_V6) != 0;
    AttachRequest made;
    read_options(record, made);
    if ((record.flags & XV_VTEP_LOCAL_AUTO) != 0)
        made.local.reset();
    if (!made.ttl.inherit && made.ttl.value == default_ttl(v6))
        made.ttl.value = 0; // "auto", which the record has as a number
    Rows rows;
    for (const AttachOption &option : attach_options())
        if (why_kept(option).empty() &&
            !(has_many_vnis(record) && (is_field(option, &AttachRequest::remote) ||
                                        is_field(option, &AttachRequest::group))))
            rows.push_back(&option);
    const auto change = kernel_change(made, rows, v6);
    TRY(session.netlink.change_vxlan(device.index, change.options, change.rows));
    if (!has_many_vnis(record)) {
        const auto far = far_of(*device.vxlan);
        TRY(replace_default(session, record, far ? to_addr(*far) : xv_addr{}, record.remote));
    }
    TRY(settle_plain_remotes(session, record));
    return commit_record(session, record);
}

Result<VtepInfo> change_vtep(const std::string &device, const Changes &changes)
{
    if (const auto cause = wrong_changes(changes); !cause.empty())
        return usage_failure("set", device, cause);
    TRY_ASSIGN(auto session, Session::writer("set", device));
    return Change(session, changes).run(device);
}

Result<> set_local(const std::string &device, const Ip &local)
{
    Changes changes;
    changes.options = {find_option("local")};
    changes.to.local = local;
    TRY(change_vtep(device, changes));
    return {};
}

} // namespace xvtep
