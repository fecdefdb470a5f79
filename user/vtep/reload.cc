// SPDX-License-Identifier: GPL-2.0-only
#include <algorithm>
#include <span>

#include "user/base/undo.h"
#include "user/datapath/tc_attach.h"
#include "user/datapath/xdp_attach.h"
#include "user/vtep/port_programs.h"
#include "user/vtep/route_queries.h"
#include "user/vtep/session.h"
#include "xvtep/vtep.h"

namespace xvtep {
namespace {

// Replaces programs, and puts the old ones back if a later step fails.
class Swap {
  public:
    Swap(Session &session, const LoadedPrograms &fresh) : session_(session), fresh_(fresh) {}

    // Attaches also where somebody has detached a program. Returns whether it made a clsact qdisc.
    Result<bool> tc(const Link &link, std::span<const ProgramAt> wanted)
    {
        bool made_clsact = false;
        for (const auto &[hook, program] : wanted) {
            const TcPlace place{session_.directory, link.index, hook, link.name};
            TRY(attach_tc(place, fresh_.fd(program), &made_clsact));
            back_.push([place, program] {
                bool ignored = false;
                if (const auto old = open_program(place.directory, program))
                    (void)attach_tc(place, old->get(), &ignored);
            });
            count_++;
        }
        return made_clsact;
    }

    // Called last, because it cannot be undone.
    Result<> xdp(const Link &link, Mode mode, Program program)
    {
        if (mode == Mode::tc)
            return {};
        TRY(replace_xdp({session_.directory, link.index, mode == Mode::skb, link.name}, program,
                        fresh_.fd(program)));
        count_++;
        return {};
    }

    unsigned commit()
    {
        back_.commit();
        return count_;
    }

  private:
    Session &session_;
    const LoadedPrograms &fresh_;
    Undo back_;
    unsigned count_ = 0;
};

Result<> swap_tc(Session &session, Swap &swap, const Link &link)
{
    const auto key = static_cast<__u32>(link.index);
    TRY_ASSIGN(auto underlay, session.tables->underlays.look_up(key));
    if (underlay) {
        TRY_ASSIGN(const bool made, swap.tc(link, underlay_programs));
        underlay->made_clsact |= flag_if(made, 1);
        TRY(session.tables->underlays.put(key, *underlay));
    }
    TRY_ASSIGN(const auto vtep, session.vtep_of_device(link.index));
    if (vtep)
        TRY(swap.tc(link, device_programs)); // the qdisc is removed with the device
    TRY_ASSIGN(auto port, session.tables->ports.look_up(key));
    if (port) {
        TRY_ASSIGN(const bool made, swap.tc(link, port_programs));
        port->flags |= flag_if(made, XV_PORT_MADE_CLSACT);
        TRY(session.tables->ports.put(key, *port));
    }
    return {};
}

Result<> swap_xdp(const Session &session, Swap &swap, const Link &link)
{
    const auto key = static_cast<__u32>(link.index);
    TRY_ASSIGN(const auto underlay, session.tables->underlays.look_up(key));
    if (underlay)
        TRY(swap.xdp(link, from_table_mode(underlay->mode), Program::xdp_underlay));
    TRY_ASSIGN(const auto port, session.tables->ports.look_up(key));
    if (port)
        TRY(swap.xdp(link, from_table_mode(port->mode), Program::xdp_port));
    return {};
}

// On the device `wanted`, or on all if it is 0.
Result<> swap_programs(Session &session, Swap &swap, const std::vector<Link> &links, int wanted)
{
    for (const auto &link : links)
        if (wanted == 0 || wanted == link.index)
            TRY(swap_tc(session, swap, link));
    for (const auto &link : links)
        if (wanted == 0 || wanted == link.index)
            TRY(swap_xdp(session, swap, link));
    return {};
}

} // namespace

Result<unsigned> reload(const std::optional<std::string> &device)
{
    TRY_ASSIGN(auto session, Session::writer("reload", device.value_or("")));
    if (!session.tables)
        return session.refused("nothing is attached", ENOENT);
    auto links = session.netlink.links();
    if (!links)
        return session.wrap(links.error());
    int wanted = 0;
    if (device) {
        const auto link = session.netlink.link(*device);
        if (!link)
            return session.refused(link.error().cause, link.error().code);
        wanted = link->index;
        TRY_ASSIGN(const auto vteps, session.wrap(session.vteps()));
        if (std::ranges::none_of(vteps, [&](const xv_vtep &v) {
                return uses(v, wanted) || v.ifindex == static_cast<__u32>(wanted);
            }))
            return session.refused("no VNI is attached", ENOENT);
    }

    TRY(check_privileges("reload", session.object, Privilege::load));
    allow_route_queries(session);
    auto fresh = LoadedPrograms::load(session.directory);
    if (!fresh)
        return session.wrap(fresh.error());
    Swap swap(session, *fresh);
    if (auto done = swap_programs(session, swap, *links, wanted); !done)
        return session.wrap(done.error());
    if (wanted == 0)
        if (auto pinned = fresh->pin(session.directory); !pinned)
            return session.wrap(pinned.error());
    return swap.commit();
}

} // namespace xvtep
