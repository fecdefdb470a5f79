// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/vtep_index.h"

#include <algorithm>

namespace xvtep {
namespace {

std::uint64_t place(__u32 vni, __be16 dstport)
{
    return std::uint64_t{vni} << 16 | dstport;
}

} // namespace

Result<VtepIndex> VtepIndex::read(Session &session, const DeviceNames &names,
                                  const std::optional<std::string> &only)
{
    VtepIndex made;
    if (only) {
        TRY_ASSIGN(const auto vtep, session.vtep_named(*only));
        made.all_.push_back({vtep, names.of(vtep.ifindex)}); // `only` may be an alternative name
    } else {
        TRY_ASSIGN(const auto all, session.wrap(session.vteps()));
        for (const auto &vtep : all)
            if (const auto &name = names.of(vtep.ifindex); !name.empty())
                made.all_.push_back({vtep, name});
    }
    std::ranges::sort(made.all_, {}, &NamedVtep::device);
    for (std::size_t n = 0; n < made.all_.size(); n++)
        made.places_.emplace(place(made.all_[n].vtep.vni, made.all_[n].vtep.dstport), n);
    return made;
}

const NamedVtep *VtepIndex::find(__u32 vni, __be16 dstport) const
{
    const auto found = places_.find(place(vni, dstport));
    return found == places_.end() ? nullptr : &all_[found->second];
}

} // namespace xvtep
