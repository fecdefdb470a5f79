// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/shown.h"

#include <algorithm>

namespace xvtep {
namespace {

std::uint64_t place(__u32 vni, __be16 dstport)
{
    return std::uint64_t{vni} << 16 | dstport;
}

} // namespace

Result<DeviceNames> DeviceNames::read(Session &session)
{
    const auto links = session.netlink.links();
    if (!links)
        return session.wrap(links.error());
    DeviceNames made;
    for (const auto &link : *links)
        made.names_.emplace(static_cast<__u32>(link.index), link.name);
    return made;
}

const std::string &DeviceNames::of(__u32 ifindex) const
{
    static const std::string none;
    const auto found = names_.find(ifindex);
    return found == names_.end() ? none : found->second;
}

Result<ShownVteps> ShownVteps::read(Session &session, const DeviceNames &names,
                                    const std::optional<std::string> &only)
{
    ShownVteps made;
    if (only) {
        TRY_ASSIGN(const auto vtep, session.vtep_named(*only));
        made.all_.push_back({vtep, names.of(vtep.ifindex)}); // not an alternative name of it
    } else {
        TRY_ASSIGN(const auto all, session.in_words(session.vteps()));
        for (const auto &vtep : all)
            if (const auto &name = names.of(vtep.ifindex); !name.empty())
                made.all_.push_back({vtep, name});
    }
    std::ranges::sort(made.all_, {}, &ShownVtep::device);
    for (std::size_t n = 0; n < made.all_.size(); n++)
        made.places_.emplace(place(made.all_[n].vtep.vni, made.all_[n].vtep.dstport), n);
    return made;
}

const ShownVtep *ShownVteps::find(__u32 vni, __be16 dstport) const
{
    const auto found = places_.find(place(vni, dstport));
    return found == places_.end() ? nullptr : &all_[found->second];
}

} // namespace xvtep
