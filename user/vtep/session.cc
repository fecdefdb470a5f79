// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/session.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <iterator>

#include <fmt/format.h>

#include "user/datapath/adopt_registry.h"
#include "user/datapath/bpffs.h"
#include "user/vtep/clock.h"
#include "user/vtep/migrate.h"
#include "user/vtep/recover.h"
#include "xvtep/batch.h"

namespace xvtep {

namespace {

Failure because_of(const Error &step, const std::string &operation, const std::string &object)
{
    if (step.operation == operation)
        return Failure(step);
    return Failure(Error{step.kind, operation, object, step.message(), step.code});
}

constexpr std::uint64_t share_for = second; // then others get their turn at the lock

// What the calls of a thread's batches share: a Batch has no argument by which to pass it on.
struct BatchCache {
    unsigned batches = 0;                 // that live on this thread
    unsigned vteps = 0;                   // that they want room for
    std::shared_ptr<Resources> resources; // null: the next call opens them
    ino_t netns = 0;                      // their namespace; the thread may have left it since
    std::uint64_t until = 0;              // CLOCK_MONOTONIC, ns: when the lock is given back
};
thread_local BatchCache batch_cache;

// Whether the batch goes on with its lock. It gives the lock back when its time is over and others
// want it. If nobody does, it forgets what others may have changed without the lock.
bool keeps_lock()
{
    Resources &resources = *batch_cache.resources;
    if (monotonic() < batch_cache.until)
        return true;
    if (!resources.lock || resources.lock->is_wanted())
        return false;
    batch_cache.until = monotonic() + share_for;
    resources.named.clear();
    resources.host = {};
    return true;
}

ino_t current_netns()
{
    struct stat found {};
    return ::stat("/proc/thread-self/ns/net", &found) == 0 ? found.st_ino : 0;
}

Result<std::shared_ptr<Resources>> open_resources(const std::string &operation,
                                                  const std::string &object)
{
    TRY(check_privileges(operation, object));
    auto netlink = Netlink::open();
    if (!netlink)
        return because_of(netlink.error(), operation, object);
    const auto cookie = current_netns_cookie();
    if (!cookie)
        return because_of(cookie.error(), operation, object);
    auto root = bpffs_root();
    if (!root)
        return because_of(root.error(), operation, object);
    return std::make_shared<Resources>(Resources{.netlink = std::move(*netlink),
                                                 .root = *root,
                                                 .cookie = *cookie,
                                                 .directory = state_directory(*root, *cookie),
                                                 .tables = std::nullopt,
                                                 .lock = {},
                                                 .named = {},
                                                 .removed = {},
                                                 .blocks = {},
                                                 .used_slots = {}});
}

} // namespace

Failure Session::wrap(const Error &step) const
{
    return because_of(step, operation, object);
}

Batch::Batch(unsigned vteps)
{
    batch_cache.batches++;
    batch_cache.vteps = std::max(batch_cache.vteps, vteps);
}

Batch::~Batch()
{
    if (--batch_cache.batches != 0)
        return;
    unlock();
    batch_cache.vteps = 0;
}

unsigned vteps_of_batch()
{
    return batch_cache.vteps;
}

void Batch::unlock()
{
    batch_cache.resources.reset();
}

Result<Session> Session::reader(std::string operation, std::string object)
{
    if (batch_cache.resources && batch_cache.netns == current_netns())
        return Session(std::move(operation), std::move(object), batch_cache.resources);
    TRY_ASSIGN(auto resources, open_resources(operation, object));
    Session session(std::move(operation), std::move(object), std::move(resources));
    TRY(session.wrap(session.open_tables()));
    return session;
}

Result<std::optional<Session>> Session::adopted(std::string operation, std::string object)
{
    const auto cookie = current_netns_cookie();
    if (!cookie)
        return because_of(cookie.error(), operation, object);
    const auto service = adopt::find_service(*cookie);
    if (!service)
        return because_of(service.error(), operation, object);
    if (!*service)
        return std::nullopt;
    TRY(check_privileges(operation, object));
    auto netlink = Netlink::open();
    if (!netlink)
        return because_of(netlink.error(), operation, object);
    Session session(std::move(operation), std::move(object),
                    std::make_shared<Resources>(
                        Resources{.netlink = std::move(*netlink),
                                  .root = (*service)->root(),
                                  .cookie = *cookie,
                                  .directory = state_directory((*service)->root(), *cookie),
                                  .tables = std::nullopt,
                                  .lock = {},
                                  .named = {},
                                  .removed = {},
                                  .blocks = {},
                                  .used_slots = {}}));
    TRY(session.wrap(session.open_tables()));
    if (!session.tables) // the service has just ended
        return std::nullopt;
    return session;
}

Result<Session> Session::writer(std::string operation, std::string object, LockScope scope)
{
    const bool shares = scope == LockScope::batch && batch_cache.batches != 0;
    const ino_t netns = shares ? current_netns() : 0;
    if (shares && batch_cache.resources && batch_cache.netns == netns && keeps_lock())
        return Session(std::move(operation), std::move(object), batch_cache.resources);
    TRY_ASSIGN(auto session, locked(std::move(operation), std::move(object)));
    TRY(session.wrap(finish_replacement(session)));
    TRY(session.wrap(session.open_tables()));
    TRY(session.wrap(recover(session)));
    if (shares) {
        batch_cache.netns = netns;
        batch_cache.until = monotonic() + share_for;
        batch_cache.resources = session.resources;
    }
    return session;
}

Result<Session> Session::locked(std::string operation, std::string object)
{
    Batch::unlock(); // or this would wait for the lock of its own batch
    TRY_ASSIGN(auto resources, open_resources(operation, object));
    auto lock = Lock::take(resources->root);
    if (!lock)
        return because_of(lock.error(), operation, object);
    resources->lock.emplace(std::move(*lock));
    return Session(std::move(operation), std::move(object), std::move(resources));
}

Result<> Session::open_tables()
{
    TRY_ASSIGN(const bool there, datapath_exists(directory));
    if (there)
        TRY_SET(tables, Tables::open(directory));
    return {};
}

Result<> Session::need_tables(const Sizes &sizes)
{
    if (tables)
        return {};
    TRY(check_privileges(operation, object, Privilege::load));
    TRY(wrap(create_datapath(directory, sizes)));
    auto opened = Tables::open(directory);
    if (!opened) {
        (void)remove_state(root, cookie);
        return wrap(opened.error());
    }
    tables = std::move(*opened);
    resources->used_slots.reset();
    resources->host.route_queries_allowed = false;
    return {};
}

Result<std::vector<xv_vtep>> Session::vteps() const
{
    std::vector<xv_vtep> all;
    if (!tables)
        return all;
    TRY_ASSIGN(const auto slots, tables->vteps.entries());
    for (const auto &[slot, vtep] : slots)
        if (vtep.slot != 0 && !has_many_vnis(vtep))
            all.push_back(vtep);
    std::ranges::sort(all, {}, [](const xv_vtep &v) { return std::pair(v.vni, v.ifindex); });
    return all;
}

Result<std::vector<xv_vtep>> Session::vni_devices() const
{
    std::vector<xv_vtep> all;
    if (!tables)
        return all;
    TRY_ASSIGN(const auto slots, tables->vteps.entries());
    for (const auto &[slot, record] : slots)
        if (record.slot != 0 && has_many_vnis(record))
            all.push_back(record);
    std::ranges::sort(all, {}, &xv_vtep::ifindex);
    return all;
}

Result<std::optional<xv_vtep>> Session::vtep_of_device(int ifindex) const
{
    if (!tables)
        return std::nullopt;
    TRY_ASSIGN(const auto slot, tables->devices.look_up(static_cast<__u32>(ifindex)));
    if (!slot)
        return std::nullopt;
    TRY_ASSIGN(const auto vtep, tables->vteps.look_up(*slot));
    return vtep && vtep->slot != 0 ? vtep : std::nullopt;
}

Result<xv_vtep> Session::vtep_named(const std::string &name, std::uint32_t vni)
{
    TRY_ASSIGN(const auto record, device_named(name));
    if (!has_many_vnis(record)) {
        if (vni == 0 || vni == record.vni)
            return record;
        return system_failure(operation, name,
                              fmt::format("its VNI is {}, and not {}", record.vni, vni), ENOENT);
    }
    if (vni == 0)
        return usage_failure(operation, name,
                             fmt::format("it has many VNIs, and none is given ({} N)",
                                         operation.starts_with("fdb") ? "src_vni" : "vni"));
    TRY_ASSIGN(const auto slot, (wrap(tables->vnis.look_up({vni, record.dstport, 0}))));
    TRY_ASSIGN(const auto vtep,
               wrap(slot ? tables->vteps.look_up(*slot) : Result<std::optional<xv_vtep>>()));
    if (vtep && vtep->ifindex == record.ifindex)
        return *vtep;
    return system_failure(operation, name, fmt::format("it has no VNI {}", vni), ENOENT);
}

Result<xv_vtep> Session::device_named(const std::string &name)
{
    const bool cached = batch_cache.resources == resources;
    if (const auto known = resources->named.find(name); cached && known != resources->named.end())
        return known->second;
    auto link = netlink.link(name);
    TRY_ASSIGN(auto all, link ? Result<std::vector<xv_vtep>>() : wrap(vteps()));
    TRY_ASSIGN(const auto devices, link ? Result<std::vector<xv_vtep>>() : wrap(vni_devices()));
    std::ranges::copy(devices, std::back_inserter(all));
    if (std::ranges::any_of(all, [&](const xv_vtep &v) { return name == v.name; }))
        return system_failure(operation, name, "its device is not here (xvtep show says more)",
                              ENODEV);
    if (!link)
        return system_failure(operation, name, link.error().cause, link.error().code);
    TRY_ASSIGN(const auto vtep, wrap(vtep_of_device(link->index)));
    if (vtep) {
        if (cached)
            resources->named.emplace(name, *vtep);
        return *vtep;
    }
    TRY(refuse_adopted(operation, name, link->index));
    return system_failure(operation, name, "not a VTEP of xvtep", ENODEV);
}

Result<> refuse_adopted(const std::string &operation, const std::string &name, int ifindex)
{
    const auto session = Session::adopted(operation, name);
    if (!session || !*session)
        return {};
    TRY_ASSIGN(const auto vtep, (*session)->vtep_of_device(ifindex));
    if (!vtep)
        return {};
    const auto line = [&] {
        if (operation.starts_with("fdb"))
            return fmt::format("bridge {} ... dev {}", operation, name);
        if (operation.starts_with("neigh"))
            return fmt::format("ip {} ... dev {}", operation, name);
        if (operation == "detach")
            return fmt::format("ip link del {}", name);
        return fmt::format("ip link set {} type vxlan ...", name);
    };
    return system_failure(
        operation, name,
        fmt::format("the device is adopted, and the kernel's (\"{}\" changes it)", line()),
        EOPNOTSUPP);
}

bool has_many_vnis(const xv_vtep &record)
{
    return (record.flags & XV_VTEP_DEVICE) != 0;
}

bool uses(const xv_vtep &vtep, int ifindex)
{
    return std::ranges::count(vtep.underlays, vtep.underlays + vtep.underlay_count,
                              static_cast<__u32>(ifindex)) != 0;
}

__u32 bound_port(const xv_vtep &record)
{
    return record.underlay_count == 1 && (record.flags & XV_VTEP_ROUTED) == 0 ? record.underlays[0]
                                                                              : 0;
}

void set_name(xv_vtep &vtep, const std::string &name)
{
    std::memset(vtep.name, 0, sizeof(vtep.name));
    name.copy(vtep.name, sizeof(vtep.name) - 1);
}

xv_addr to_addr(const Ip &ip)
{
    xv_addr addr;
    static_assert(sizeof(addr) == sizeof(ip.octets));
    std::memcpy(&addr, ip.octets.data(), sizeof(addr));
    return addr;
}

Ip to_ip(const xv_addr &addr)
{
    return Ip::from_bytes(&addr, sizeof(addr));
}

bool addr_is_set(const xv_addr &addr)
{
    return (addr.word[0] | addr.word[1] | addr.word[2] | addr.word[3]) != 0;
}

} // namespace xvtep
