// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/vtep_index.h"

#include <algorithm>

#include "user/vtep/vni_table.h"

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
        TRY_SET(made, of_device(session, *only, 0));
        for (NamedVtep &one : made.all_)
            one.device = names.of(one.vtep.ifindex); // `only` may be an alternative name
    } else {
        TRY_ASSIGN(const auto all, session.wrap(session.vteps()));
        for (const auto &vtep : all)
            if (const auto &name = names.of(vtep.ifindex); !name.empty())
                made.all_.push_back({vtep, name});
    }
    made.index();
    return made;
}

Result<VtepIndex> VtepIndex::of_device(Session &session, const std::string &device,
                                       std::uint32_t vni)
{
    VtepIndex made;
    TRY_ASSIGN(const auto record, session.device_named(device));
    if (has_many_vnis(record) && vni == 0) {
        TRY_ASSIGN(const auto all, session.wrap(vteps_on(session, record.ifindex)));
        for (const auto &vtep : all)
            made.all_.push_back({vtep, device});
    } else {
        TRY_ASSIGN(const auto vtep, session.vtep_named(device, vni));
        made.all_.push_back({vtep, device});
    }
    made.index();
    return made;
}

void VtepIndex::index()
{
    std::ranges::stable_sort(all_, {}, &NamedVtep::device);
    places_.clear();
    for (std::size_t n = 0; n < all_.size(); n++)
        places_.emplace(place(all_[n].vtep.vni, all_[n].vtep.dstport), n);
}

const NamedVtep *VtepIndex::find(__u32 vni, __be16 dstport) const
{
    const auto found = places_.find(place(vni, dstport));
    return found == places_.end() ? nullptr : &all_[found->second];
}

} // namespace xvtep
