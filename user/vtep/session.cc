// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/session.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "user/datapath/bpffs.h"
#include "user/vtep/repair.h"

namespace xvtep {

Failure Session::because(const Error &step) const
{
    return Failure(Error{step.fault, operation, object,
                         step.operation == operation ? step.cause : step.message(), step.code});
}

Result<Session> Session::reader(std::string operation, std::string object)
{
    TRY(check_privileges(operation, object));
    TRY_ASSIGN(auto netlink, Netlink::open());
    TRY_ASSIGN(auto cookie, current_netns_cookie());
    auto root = bpffs_root();
    if (!root)
        return system_failure(operation, object, root.error().cause, root.error().code);
    Session session{.operation = std::move(operation),
                    .object = std::move(object),
                    .netlink = std::move(netlink),
                    .root = *root,
                    .cookie = cookie,
                    .directory = state_directory(*root, cookie),
                    .tables = std::nullopt,
                    .lock = {}};
    if (datapath_exists(session.directory)) {
        auto tables = Tables::open(session.directory);
        if (!tables)
            return session.because(tables.error());
        session.tables = std::move(*tables);
    }
    return session;
}

Result<Session> Session::writer(std::string operation, std::string object)
{
    TRY(check_privileges(operation, object));
    auto root = bpffs_root();
    if (!root)
        return system_failure(operation, object, root.error().cause, root.error().code);
    auto lock = lock_bpffs(*root);
    if (!lock)
        return system_failure(operation, object, lock.error().cause, lock.error().code);
    TRY_ASSIGN(auto session, reader(std::move(operation), std::move(object)));
    session.lock = std::move(*lock);
    TRY(repair(session));
    return session;
}

Result<> Session::need_tables()
{
    if (tables)
        return {};
    if (auto made = create_datapath(directory); !made)
        return because(made.error());
    auto opened = Tables::open(directory);
    if (!opened)
        return because(opened.error());
    tables = std::move(*opened);
    return {};
}

std::vector<xv_vtep> Session::vteps() const
{
    std::vector<xv_vtep> all;
    if (tables)
        for (const auto &[ifindex, slot] : tables->devices.entries())
            if (const auto vtep = tables->vteps.find(slot); vtep && vtep->slot != 0)
                all.push_back(*vtep);
    std::ranges::sort(all, {}, [](const xv_vtep &v) { return std::pair(v.vni, v.ifindex); });
    return all;
}

std::optional<xv_vtep> Session::vtep_of_device(int ifindex) const
{
    if (!tables)
        return std::nullopt;
    const auto slot = tables->devices.find(static_cast<__u32>(ifindex));
    const auto vtep = slot ? tables->vteps.find(*slot) : std::nullopt;
    return vtep && vtep->slot != 0 ? vtep : std::nullopt;
}

Result<xv_vtep> Session::vtep_named(const std::string &name)
{
    auto link = netlink.link(name);
    if (!link)
        return system_failure(operation, name, link.error().cause, link.error().code);
    if (const auto vtep = vtep_of_device(link->index))
        return *vtep;
    return system_failure(operation, name, "not a VTEP of xvtep", ENODEV);
}

xv_addr to_addr(const Ip &ip)
{
    xv_addr addr;
    static_assert(sizeof(addr) == sizeof(ip.octets));
    std::memcpy(&addr, ip.octets.data(), sizeof(addr));
    return addr;
}

Ip to_ip(const xv_addr &addr) { return Ip::from_bytes(&addr, sizeof(addr)); }

bool addr_is_set(const xv_addr &addr)
{
    return (addr.word[0] | addr.word[1] | addr.word[2] | addr.word[3]) != 0;
}

} // namespace xvtep
