// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/tc_block.h"

namespace xvtep {
namespace {

constexpr __u32 first_block = 0x78760001;
constexpr __u32 most_pairs = 64;

// They identify our filters, with the program's name.
constexpr std::uint32_t filter_handle = 0x7876;
constexpr std::uint16_t filter_priority = 0x7876;

constexpr BlockPair numbered(__u32 n)
{
    return {first_block + 2 * n, first_block + 2 * n + 1};
}

bool is_in_range(__u32 block)
{
    return block >= first_block && block < first_block + 2 * most_pairs;
}

Program program_of(__u32 block)
{
    return (block - first_block) % 2 == 0 ? Program::tc_device_ingress : Program::tc_device_egress;
}

Result<> fill(Netlink &netlink, __u32 block, int program, OldFilter old)
{
    return netlink.put_block_filter(block,
                                    {.handle = filter_handle,
                                     .priority = filter_priority,
                                     .program_fd = program,
                                     .name = program_name(program_of(block))},
                                    old);
}

} // namespace

Result<DeviceBlocks> DeviceBlocks::read(Netlink &netlink)
{
    DeviceBlocks made;
    TRY_ASSIGN(const auto qdiscs, netlink.clsact_qdiscs());
    std::set<__u32> blocks;
    for (const auto &qdisc : qdiscs) {
        made.qdiscs_[qdisc.ifindex] = {qdisc.ingress_block, qdisc.egress_block};
        for (const __u32 block : {qdisc.ingress_block, qdisc.egress_block})
            if (is_in_range(block))
                blocks.insert(block);
    }
    for (const __u32 block : blocks) {
        TRY_ASSIGN(const auto name,
                   netlink.block_filter_name(block, filter_handle, filter_priority));
        if (name == program_name(program_of(block)))
            made.filled_.insert(block);
    }
    return made;
}

std::optional<BlockPair> DeviceBlocks::pair_of(int ifindex) const
{
    const auto found = qdiscs_.find(ifindex);
    if (found == qdiscs_.end() || !is_in_range(found->second.ingress) ||
        found->second.egress != found->second.ingress + 1 ||
        program_of(found->second.ingress) != Program::tc_device_ingress)
        return std::nullopt;
    return found->second;
}

bool DeviceBlocks::is_attached(int ifindex, Hook hook) const
{
    const auto pair = pair_of(ifindex);
    return pair && has_filter(hook == Hook::ingress ? pair->ingress : pair->egress);
}

Result<BlockPair> DeviceBlocks::choose(const std::function<bool(int ifindex)> &is_ours) const
{
    std::set<__u32> used;
    std::set<BlockPair> ours;
    for (const auto &[ifindex, blocks] : qdiscs_) {
        used.insert({blocks.ingress, blocks.egress});
        if (const auto pair = pair_of(ifindex); pair && !ours.contains(*pair) && is_ours(ifindex))
            ours.insert(*pair);
    }
    for (__u32 n = 0; n < most_pairs; n++) {
        const BlockPair pair = numbered(n);
        if (!used.contains(pair.ingress) && !used.contains(pair.egress))
            return pair;
        if (has_filter(pair.ingress) && has_filter(pair.egress) && ours.contains(pair))
            return pair;
    }
    return system_failure("choose", "filter blocks", "others use all of them", EBUSY);
}

Result<> bind_to_blocks(Netlink &netlink, int ifindex, const BlockPair &blocks)
{
    return netlink.add_clsact(ifindex, blocks.ingress, blocks.egress);
}

Result<> fill_blocks(Netlink &netlink, const BlockPair &blocks, const BlockPrograms &programs,
                     OldFilter old)
{
    TRY(fill(netlink, blocks.ingress, programs.ingress, old));
    return fill(netlink, blocks.egress, programs.egress, old);
}

} // namespace xvtep
