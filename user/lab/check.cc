// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/check.h"

#include <fmt/format.h>
#include <net/if.h>

#include <chrono>
#include <map>

#include "user/lab/waiting.h"

namespace xvtep {

namespace {

// The map is local to a function, because constructors in other files use it before main().
std::map<std::string, MakeCheck> &check_types()
{
    static std::map<std::string, MakeCheck> types;
    return types;
}

// The VTEPs' devices are up and have a carrier.
void check_ready(CheckRun &run)
{
    for (const LabHost &host : run.lab.hosts)
        for (const LabVtep &vtep : host.vteps) {
            const std::string &name = vtep.request.name;
            const auto ready = becomes_true(ready_timeout, [&]() -> Result<bool> {
                TRY_ASSIGN(const Link link, run.node(host.name).netlink.link(name));
                return (link.flags & IFF_UP) && (link.flags & IFF_RUNNING);
            });
            const std::string what = fmt::format("{} {} is up", host.name, name);
            if (ready)
                run.report(what, *ready, "");
            else
                run.fail(what, ready.error().message());
        }
}

} // namespace

void CheckRun::pass(const std::string &what, const std::string &detail)
{
    results.push_back({.what = what, .passed = true, .detail = detail});
}

void CheckRun::fail(const std::string &what, const std::string &cause)
{
    results.push_back({.what = what, .passed = false, .detail = cause});
}

void CheckRun::report(const std::string &what, bool passed, const std::string &detail)
{
    results.push_back({what, passed, detail});
}

void CheckRun::report(const std::string &what, const Result<std::string> &outcome)
{
    report(what, outcome.has_value(), outcome ? *outcome : outcome.error().message());
}

void CheckRun::report(const std::string &what, const Result<> &outcome)
{
    report(what, outcome.has_value(), outcome ? "" : outcome.error().message());
}

Result<Mac> CheckRun::mac_of(const LabDevice &device) const
{
    TRY_ASSIGN(const Link link, node(device.node).netlink.link(device.device));
    return link.mac;
}

Result<Mac> CheckRun::mac_of(const LabMac &mac) const
{
    return mac.device ? mac_of(*mac.device) : Result<Mac>(mac.mac);
}

Result<Capture> CheckRun::capture_on(const LabDevice &device) const
{
    LabNode &inside = node(device.node);
    int index = 0;
    if (!device.device.empty())
        TRY_SET(index, inside.index_of(device.device));
    TRY_ASSIGN(const Netns::Scope scope, inside.netns.enter());
    return Capture::open(index);
}

std::unique_ptr<LabCheck> make_check(const std::string &name)
{
    const auto found = check_types().find(name);
    return found == check_types().end() ? nullptr : found->second();
}

std::vector<std::string> check_names()
{
    std::vector<std::string> names;
    for (const auto &[name, make] : check_types())
        names.push_back(name);
    return names;
}

void register_check(const char *name, MakeCheck make)
{
    check_types()[name] = make;
}

Failure check_failure(const std::string &object, const std::string &cause)
{
    return system_failure("check", object, cause);
}

std::vector<CheckResult> run_checks(const LabState &state, LabNodes &nodes)
{
    CheckRun run{state, state.lab, nodes};
    for (const auto &check : state.lab.checks)
        check->prepare(run);
    check_ready(run);
    for (const auto &check : state.lab.checks)
        check->run(run);
    if (state.lab.checks.empty())
        run.fail("the description has checks", "");
    return std::move(run.results);
}

} // namespace xvtep
