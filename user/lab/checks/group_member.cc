// SPDX-License-Identifier: GPL-2.0-only
// "group-member": an underlay port is in a multicast group while VTEPs with that group are
// attached, and only then.
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "user/lab/build.h"
#include "user/lab/check.h"
#include "user/lab/waiting.h"

namespace xvtep {

namespace {

// /proc/net/igmp has lines "INDEX DEVICE …", each with lines of its groups below, which begin with
// a tab and the address in hexadecimal, in host byte order.
bool in_igmp_group(std::istream &file, const std::string &device, const Ip &group)
{
    std::string line, name;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string first, second;
        words >> first >> second;
        if (line[0] != '\t')
            name = second;
        else if (name == device && first.size() == 8 &&
                 Ip::v4(static_cast<std::uint32_t>(std::strtoul(first.c_str(), nullptr, 16))) ==
                     group)
            return true;
    }
    return false;
}

// /proc/net/igmp6 has lines "INDEX DEVICE GROUP …".
bool in_mld_group(std::istream &file, const std::string &device, const Ip &group)
{
    std::string wanted;
    for (const std::uint8_t octet : group.octets)
        wanted += fmt::format("{:02x}", octet);
    std::string line;
    while (std::getline(file, line)) {
        std::istringstream words(line);
        std::string index, name, found;
        words >> index >> name >> found;
        if (name == device && found == wanted)
            return true;
    }
    return false;
}

// In the calling thread's namespace.
bool in_group(const std::string &device, const Ip &group)
{
    std::ifstream file(group.is_v4() ? "/proc/thread-self/net/igmp"
                                     : "/proc/thread-self/net/igmp6");
    return group.is_v4() ? in_igmp_group(file, device, group) : in_mld_group(file, device, group);
}

class GroupMember : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.device());
        const JsonValue group = json.find_needed("group");
        from_json(group, group_);
        if (!group_.is_multicast())
            group.refuse("not a multicast address");
        const LabHost *const host = names.lab().host(device_.node);
        const auto is_on_it = [&](const LabVtep &vtep) {
            const auto &devices = vtep.request.devices;
            return vtep.request.group == group_ &&
                   std::ranges::find(devices, device_.device) != devices.end();
        };
        if (!host || std::ranges::none_of(host->vteps, is_on_it))
            group.refuse("no VTEP of " + group_.text() + " on " + device_.text());
    }

    void run(CheckRun &run) override
    {
        run.report(
            fmt::format("{} is in the group {} while attached", device_.text(), group_.text()),
            attach_again(run));
    }

  private:
    Result<std::string> attach_again(CheckRun &run)
    {
        LabNode &node = run.node(device_.node);
        const VtepDriver &driver = run.driver(device_.node);
        std::vector<const LabVtep *> vteps;
        for (const LabVtep &vtep : run.lab.host(device_.node)->vteps)
            if (vtep.request.group == group_)
                vteps.push_back(&vtep);
        const auto is_member = [&](bool wanted) {
            return becomes_true(ready_timeout, [&]() -> Result<bool> {
                TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
                return in_group(device_.device, group_) == wanted;
            });
        };
        TRY_ASSIGN(const bool before, is_member(true));
        for (const LabVtep *const vtep : vteps)
            TRY(driver.remove_vtep(node, *vtep));
        const auto between = is_member(false);
        for (const LabVtep *const vtep : vteps)
            TRY(make_vtep(driver, node, *vtep));
        TRY_ASSIGN(const bool left, between);
        TRY_ASSIGN(const bool after, is_member(true));
        if (!before || !left || !after)
            return check_failure("group", !left ? "still in it when detached" : "not in it");
        return std::string("left at detach, joined at attach");
    }

    LabDevice device_;
    Ip group_;
};

const CheckType<GroupMember> group_member_check("group-member");

} // namespace

} // namespace xvtep
