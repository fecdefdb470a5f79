// SPDX-License-Identifier: GPL-2.0-only
#include "user/vtep/device_programs.h"

#include "user/vtep/port_programs.h"

namespace xvtep {
namespace {

// Of a device that cannot be bound to the blocks.
Result<> attach_apart(const Session &session, const Link &device)
{
    for (const auto &[hook, which] : device_programs) {
        TRY_ASSIGN(const auto program, open_program(session.directory, which));
        bool made_clsact = false; // the qdisc goes with the device
        TRY(attach_tc({session.directory, device.index, hook, device.name}, program.get(),
                      &made_clsact));
    }
    return {};
}

bool has_no_blocks(const Error &error)
{
    return error.code == EEXIST || error.code == ENOENT || error.code == EOPNOTSUPP ||
           error.code == EINVAL;
}

// The pair of blocks for one more device. Asks the kernel once for each session.
Result<BlockPair> blocks_for_devices(Session &session)
{
    auto &known = session.resources->blocks;
    if (!known) {
        TRY_ASSIGN(const auto blocks, DeviceBlocks::read(session.netlink));
        TRY_SET(known, blocks.choose([&](int ifindex) {
            const auto slot = session.tables->devices.look_up(static_cast<__u32>(ifindex));
            return slot && *slot;
        }));
    }
    return *known;
}

} // namespace

Result<std::optional<BlockPair>> attach_device_programs(Session &session, const Link &device)
{
    TRY_ASSIGN(const auto blocks, blocks_for_devices(session));
    if (const auto bound = bind_to_blocks(session.netlink, device.index, blocks); !bound) {
        if (!has_no_blocks(bound.error()))
            return std::unexpected(bound.error());
        TRY(attach_apart(session, device));
        return std::nullopt;
    }
    TRY_ASSIGN(const auto ingress, open_program(session.directory, Program::tc_device_ingress));
    TRY_ASSIGN(const auto egress, open_program(session.directory, Program::tc_device_egress));
    // Each time, because the block may be new: others may have deleted the devices that had it.
    TRY(fill_blocks(session.netlink, blocks, {ingress.get(), egress.get()}, OldFilter::kept));
    return blocks;
}

} // namespace xvtep
