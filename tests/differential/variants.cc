// SPDX-License-Identifier: GPL-2.0-only
#include "tests/differential/variants.h"

#include <array>

namespace xvtep::differential {

std::span<const Variant> variants()
{
    static const std::vector<Variant> all{
        {.name = "tc", .share = 30},
        {.name = "xdp", .mode = "xdp", .share = 15},
        {.name = "skb", .mode = "skb", .share = 5},
        {.name = "ports-tc", .layout = Layout::ports, .share = 20},
        {.name = "ports-xdp",
         .layout = Layout::ports,
         .mode = "xdp",
         .port_mode = "xdp",
         .share = 10},
        {.name = "gbp", .layout = Layout::host, .options = "gbp", .gbp = true, .share = 5},
        {.name = "gbp-xdp", .mode = "xdp", .options = "gbp", .gbp = true, .share = 5},
        {.name = "proxy",
         .options = "proxy l2miss l3miss",
         .proxy = true,
         .misses = true,
         .has_default = false,
         .share = 10},
        {.name = "v6", .v6 = true, .share = 10},
        {.name = "v6-xdp", .mode = "xdp", .v6 = true, .share = 5},
        {.name = "udpcsum", .options = "udpcsum", .udpcsum = true, .share = 10},
        {.name = "nolearning", .options = "nolearning", .learning = false, .share = 5},
        {.name = "inherit", .options = "ttl inherit tos inherit df inherit", .share = 10},
        {.name = "mtu9000", .mtu = 9000, .share = 5},
        {.name = "path-mtu", .path_mtu = 1380, .share = 10},
        {.name = "path-mtu-ports", .layout = Layout::ports, .path_mtu = 1380, .share = 5},
        {.name = "several", .several = true, .share = 5},
        {.name = "trunk", .layout = Layout::trunk, .share = 10},
        {.name = "many", .layout = Layout::many, .share = 10},
        {.name = "group", .group = true, .share = 5},
        {.name = "host", .layout = Layout::host, .share = 5},
        {.name = "gro", .gro = true, .share = 5},
    };
    return all;
}

const Variant *find_variant(const std::string &name)
{
    for (const Variant &variant : variants())
        if (variant.name == name)
            return &variant;
    return nullptr;
}

} // namespace xvtep::differential
