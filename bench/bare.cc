// SPDX-License-Identifier: GPL-2.0-only
#include "bench/bare.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "bare.skel.h"
#include "bench/entries.h"
#include "bench/shell.h"
#include "bench/sinks.h"
#include "user/datapath/libbpf_log.h"

namespace xvtep::bench {
namespace {

struct Place { // as bare.bpf.c has it
    __u32 vni;
    __u16 zero;
    __u8 mac[6];
};

Result<> put_place(const End &end, const Mac &mac)
{
    Place place{.vni = vni, .zero = 0, .mac = {}};
    std::ranges::copy(mac.octets, place.mac);
    __u32 value[16] = {end.bare->rodata->underlay};
    if (bpf_map_update_elem(bpf_map__fd(end.bare->maps.fdb), &place, value, BPF_ANY) != 0)
        return errno_failure("write entry", mac.text(), errno);
    return {};
}

// Headers from `local` to `remote`; lengths and checksum are for the program to write.
Frame outer_headers(const EndWords &w, const Mac &to, const Mac &from)
{
    Frame h(outer_size);
    const auto at = [&](std::size_t offset) { return h.begin() + static_cast<long>(offset); };
    std::ranges::copy(to.octets, at(0));
    std::ranges::copy(from.octets, at(6));
    h[12] = 8; // IPv4
    h[14] = 0x45;
    h[22] = 64; // TTL
    h[23] = IPPROTO_UDP;
    ::inet_pton(AF_INET, w.local.c_str(), &h[26]);
    ::inet_pton(AF_INET, w.remote.c_str(), &h[30]);
    const std::uint16_t ports[] = {htons(50000), htons(4789)};
    std::memcpy(&h[34], ports, sizeof(ports));
    h[42] = 8; // the I flag
    h[48] = vni;
    return h;
}

} // namespace

Result<> build_bare(End &end)
{
    const auto &w = end.words;
    // The kernel's GRO knows VXLAN while such a device is there; nothing goes through it.
    TRY(ip_batch(end.host, fmt::format("link add vxlan0 type vxlan id {} dev u local {} "
                                       "dstport 4789 nolearning\nlink set vxlan0 up\nlink set v up",
                                       vni, w.local)));
    TRY_ASSIGN(const int underlay, index_of(end.host, "u"));
    TRY_ASSIGN(const int port, index_of(end.host, "v"));
    TRY_ASSIGN(const Mac own, mac_of(end.host, "u"));
    const LibbpfLog log;
    end.bare.reset(bare_bpf::open(), bare_bpf::destroy);
    if (!end.bare)
        return errno_failure("open program", "bare", errno);
    auto &constants = *end.bare->rodata;
    constants.underlay = static_cast<__u32>(underlay);
    constants.port = static_cast<__u32>(port);
    constants.vni = vni;
    const Frame headers = outer_headers(w, w.next_hop, own);
    std::ranges::copy(headers, end.bare->bss->outer);
    __u32 sum = 0;
    for (std::size_t n = 14; n < 34; n += 2) {
        __u16 half = 0;
        std::memcpy(&half, &headers[n], sizeof(half));
        sum += half;
    }
    constants.sum = sum;
    if (bare_bpf::load(end.bare.get()) != 0)
        return errno_failure("load program", "bare", errno, log.error());
    TRY(put_place(end, w.other_mac));
    const auto &programs = end.bare->progs;
    TRY(w.mode == "xdp" ? attach_xdp(end.host, "u", bpf_program__fd(programs.bare_xdp_in))
                        : attach_tc_ingress(end.host, "u", bpf_program__fd(programs.bare_tc_in)));
    return w.port_mode == "xdp"
               ? attach_xdp(end.host, "v", bpf_program__fd(programs.bare_xdp_out))
               : attach_tc_ingress(end.host, "v", bpf_program__fd(programs.bare_tc_out));
}

Result<> add_bare_entries(const End &end, const Mac &first, unsigned from, unsigned to)
{
    end.bare->bss->look_up = 1;
    for (unsigned n = from; n < to; n++)
        TRY(put_place(end, numbered(first, n)));
    return {};
}

} // namespace xvtep::bench
