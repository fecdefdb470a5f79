// SPDX-License-Identifier: GPL-2.0-only
// The programs on the VTEPs' own devices: the clsact qdiscs of all devices share two filter blocks,
// one for each direction, and each block has one filter with the program. So a device is attached
// by one message, and replacing a filter replaces the program of every device. A block lives as
// long as a device is bound to it, and a qdisc as long as its device stays in the namespace.
//
// Other devices, which may have qdiscs and filters of others, have TCX links: tc_attach.h.
#pragma once

#include <compare>
#include <functional>
#include <map>
#include <optional>
#include <set>

#include <linux/types.h>

#include "user/base/result.h"
#include "user/datapath/tc_attach.h"
#include "user/net/netlink.h"

namespace xvtep {

// The numbers of two blocks. We take them from a range that nobody would choose by hand, the first
// pair that others do not use.
struct BlockPair {
    __u32 ingress = 0, egress = 0;

    auto operator<=>(const BlockPair &) const = default;
};

// Descriptors of the programs for the two blocks.
struct BlockPrograms {
    int ingress = -1, egress = -1;
};

// The clsact qdiscs of the namespace and our filters, as they were when read.
class DeviceBlocks {
  public:
    static Result<DeviceBlocks> read(Netlink &netlink);

    // Whether the device has a clsact or ingress qdisc of any kind.
    [[nodiscard]] bool has_qdisc(int ifindex) const { return qdiscs_.contains(ifindex); }
    // The pair that the device is bound to, if its numbers are from our range.
    [[nodiscard]] std::optional<BlockPair> pair_of(int ifindex) const;
    // Whether the device is bound to blocks of our range, and this one has our filter.
    [[nodiscard]] bool is_attached(int ifindex, Hook hook) const;
    // The pair for one more device: the first that has our filters, or that does not exist. A pair
    // with our filters that is bound to no device of ours (`is_ours`) has been left over by another
    // state of this namespace, and has its programs.
    [[nodiscard]] Result<BlockPair> choose(const std::function<bool(int ifindex)> &is_ours) const;

  private:
    [[nodiscard]] bool has_filter(__u32 block) const { return filled_.contains(block); }

    std::map<int, BlockPair> qdiscs_; // by ifindex; 0: the qdisc's own block
    std::set<__u32> filled_;          // the blocks of our range that have our filter
};

// Binds the device, which has no clsact qdisc yet, to the blocks. The first device makes them,
// without filters.
//
// Errors: EEXIST: it has such a qdisc. ENOENT, EOPNOTSUPP, EINVAL: the kernel has no shared blocks.
Result<> bind_to_blocks(Netlink &netlink, int ifindex, const BlockPair &blocks);

// Writes the filters of both blocks, which exist. Filters of ours that are there are left as they
// are, or have their programs replaced atomically.
Result<> fill_blocks(Netlink &netlink, const BlockPair &blocks, const BlockPrograms &programs,
                     OldFilter old);

} // namespace xvtep
