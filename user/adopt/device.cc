// SPDX-License-Identifier: GPL-2.0-only
#include "user/adopt/device.h"

#include <arpa/inet.h>
#include <net/if_arp.h>

#include <algorithm>
#include <cstring>
#include <sstream>

#include "user/net/sysctl.h"
#include "user/vtep/clock.h"
#include "user/vtep/record.h"
#include "user/vtep/session.h"

namespace xvtep::adopt {

Result<HostDefaults> HostDefaults::read()
{
    HostDefaults defaults;
    defaults.ttl = default_ttl(false);
    TRY_ASSIGN(const auto range, sysctl("net/ipv4/ip_local_port_range"));
    std::istringstream words(range);
    if (!(words >> defaults.port_low >> defaults.port_high))
        return system_failure("read", "net.ipv4.ip_local_port_range", "it is no range", EINVAL);
    return defaults;
}

std::string why_refused(const Link &link)
{
    if (!link.vxlan)
        return "not a vxlan device";
    const VxlanOptions &options = *link.vxlan;
    if (options.external)
        return "external: metadata of each packet says where it goes";
    if (options.vnifilter)
        return "vnifilter: one device for many VNIs is not supported yet";
    if (options.gpe)
        return "gpe: other protocols than Ethernet are not supported";
    if (options.remcsum)
        return "remcsum: remote checksum offload is not supported";
    for (const auto &address : {options.local, options.remote, options.group})
        if (address && address->is_v6())
            return "an IPv6 underlay is not supported yet";
    if (link.lower_nsid)
        return "its packets leave in another namespace";
    if (link.type != ARPHRD_ETHER)
        return "not an Ethernet device";
    if (options.learning)
        return "learns: not supported yet";
    return "";
}

xv_vtep record_of(const Link &link, const RecordChoices &choices, const xv_vtep *old)
{
    AttachRequest options = *link.vxlan;
    const bool follows = !options.local;
    xv_vtep vtep{};
    if (!options.local)
        options.local = Ip::v4(0);
    options.udpcsum = choices.udpcsum && options.udpcsum.value_or(false);
    if (options.ttl.value == 0)
        options.ttl.value = choices.defaults.ttl;
    if (options.srcport_min >= options.srcport_max) { // as the kernel's udp_flow_src_port()
        options.srcport_min = choices.defaults.port_low;
        options.srcport_max = choices.defaults.port_high;
    }
    options.reserved_bits.reset(); // packets with any go to the kernel's device
    write_options(vtep, options);
    vtep.slot = choices.slot;
    vtep.ifindex = static_cast<__u32>(link.index);
    vtep.nonce = static_cast<__u16>(choices.cookie);
    vtep.flags |= flag_if(follows, XV_VTEP_LOCAL_AUTO) | XV_VTEP_ROUTED;
    std::ranges::copy(link.mac.octets, vtep.mac);
    set_name(vtep, link.name);
    if (!follows)
        return vtep;
    if (old != nullptr && (old->flags & XV_VTEP_LOCAL_AUTO) != 0) {
        vtep.local = old->local;
        vtep.flags |= old->flags & ~0U << XV_VTEP_CONFIRMED_SHIFT;
    } else { // long ago: the first packet's source is taken at once
        const auto now = static_cast<__u32>(monotonic() >> 30);
        vtep.flags |= (now - 128) << XV_VTEP_CONFIRMED_SHIFT;
    }
    return vtep;
}

bool is_same(const xv_vtep &a, const xv_vtep &b)
{
    const auto settled = [](xv_vtep vtep) {
        vtep.flags &= ~(~0U << XV_VTEP_CONFIRMED_SHIFT);
        if ((vtep.flags & XV_VTEP_LOCAL_AUTO) != 0)
            vtep.local = {};
        vtep.underlay_count = 0;
        std::ranges::fill(vtep.underlays, 0);
        return vtep;
    };
    const xv_vtep first = settled(a), second = settled(b);
    return std::memcmp(&first, &second, sizeof(first)) == 0;
}

std::optional<xv_fdb_key> mirrored_key(const xv_vtep &vtep, const KernelFdbEntry &entry)
{
    if (!entry.dst || !entry.dst->is_v4() || entry.dst->is_any() || entry.dst->is_multicast() ||
        entry.dst->is_loopback() || entry.port != 0 || entry.vni != 0 || entry.src_vni != 0 ||
        entry.via != 0 || entry.mac.is_zero() || entry.mac.is_multicast())
        return std::nullopt;
    xv_fdb_key key{.vni = vtep.vni, .dstport = vtep.dstport, .mac = {}};
    std::ranges::copy(entry.mac.octets, key.mac);
    return key;
}

} // namespace xvtep::adopt
