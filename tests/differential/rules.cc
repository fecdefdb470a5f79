// SPDX-License-Identifier: GPL-2.0-only
#include "tests/differential/rules.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

namespace xvtep::differential {
namespace {

bool on_wire(const Seen &seen)
{
    return seen.side == Side::wire;
}

bool only_xvtep(const Difference &d)
{
    return d.kernel.empty() && !d.xvtep.empty();
}

bool outer_sum_is_wrong(const Variant &, const Frame &frame)
{
    if (frame.side != Side::wire)
        return false;
    const Headers at = headers(frame.bytes);
    return at.protocol == 17 && at.transport != 0 && get16(frame.bytes, at.transport + 6) != 0 &&
           !udp_checksum_right(frame.bytes, at);
}

// RFC 6040 has the packet dropped: the outer header marks congestion, and the inner one cannot.
bool ecn_drops(const Variant &, const Frame &frame)
{
    const auto t = frame.side == Side::wire ? tunnel(frame.bytes) : std::nullopt;
    return t && (t->outer.tos & 3) == 3 && (t->in.v4 || t->in.v6) && (t->in.tos & 3) == 0;
}

// Fragments, of which the last one has the kernel's device see the packet, and packets with outer
// options: tunnel() does not look into them, so what is in the inner headers is not known here.
bool only_kernel_takes(const Variant &, const Frame &frame)
{
    if (frame.side != Side::wire)
        return false;
    const Headers at = headers(frame.bytes);
    return at.fragment || (at.v4 && (frame.bytes[at.network] & 15U) > 5) ||
           (at.v6 && frame.bytes[at.network + 6] != 17);
}

// Most of those that are dropped behind the vxlan device are so for their ECN marks.
bool kernel_may_drop(const Variant &variant, const Frame &frame)
{
    return only_kernel_takes(variant, frame) && (headers(frame.bytes).tos & 3) == 3;
}

// The frame ends within the IP header of the inner packet, as far as the outer lengths reach.
bool inner_is_cut(const Variant &, const Frame &frame)
{
    const auto t = frame.side == Side::wire ? tunnel(frame.bytes) : std::nullopt;
    if (!t)
        return false;
    std::size_t size = frame.bytes.size() - t->inner;
    const std::size_t udp = get16(frame.bytes, t->udp + 4);
    if (udp >= 16)
        size = std::min(size, udp - 16);
    const unsigned type = get16(frame.bytes, t->inner + 12);
    return (type == 0x0800 && size < 34) || (type == 0x86dd && size < 54) ||
           ((type == 0x8100 || type == 0x88a8) && size < 20);
}

bool has_switch(const Variant &variant)
{
    return variant.layout != Layout::bridge && variant.layout != Layout::host;
}

// Behind a tag, the frame ends within a further one, or within the header of a PPPoE session.
bool ends_behind_tag(const Frame &frame)
{
    const Bytes &f = frame.bytes;
    std::size_t type_at = 12, size = f.size();
    if (frame.side == Side::wire) {
        const auto t = tunnel(f);
        if (!t)
            return false;
        type_at += t->inner;
        if (const std::size_t udp = get16(f, t->udp + 4); udp >= 8)
            size = std::min(size, t->udp + udp);
    }
    const auto is_tag = [&] {
        const unsigned type = size < type_at + 2 ? 0 : get16(f, type_at);
        return type == 0x8100 || type == 0x88a8;
    };
    for (int tags = frame.side == Side::trunk ? 2 : 1; tags > 0 && is_tag(); tags--)
        type_at += 4;
    if (size < type_at + 2)
        return false;
    return (is_tag() && size < type_at + 6) || (get16(f, type_at) == 0x8864 && size < type_at + 10);
}

// An inner TCP or UDP checksum that is not right, of a frame that is sent with an outer one.
bool inner_sum_is_wrong(const Bytes &sent)
{
    const auto t = tunnel(sent);
    if (!t || (t->in.protocol != 6 && t->in.protocol != 17) || t->in.transport == 0)
        return false;
    const View in = View(sent).subspan(t->inner);
    const std::size_t segment = in.size() - t->in.transport;
    if (segment < 8)
        return false;
    const std::size_t from = t->in.network + (t->in.v4 ? 12 : 8), both = t->in.v4 ? 8 : 32;
    Bytes all(in.begin() + static_cast<std::ptrdiff_t>(from),
              in.begin() + static_cast<std::ptrdiff_t>(from + both));
    const std::uint32_t rest[2]{static_cast<std::uint32_t>(segment), t->in.protocol};
    for (const std::uint32_t word : rest)
        for (int shift = 24; shift >= 0; shift -= 8)
            all.push_back(static_cast<std::uint8_t>(word >> shift));
    all.insert(all.end(), in.begin() + static_cast<std::ptrdiff_t>(t->in.transport), in.end());
    return checksum(all) != 0 || (t->in.v4 && !header_checksum_right(in, t->in));
}

// The kernel takes priority tags off the outer packet, however many there are.
bool outer_has_tags(const Variant &, const Frame &frame)
{
    const auto t = frame.side == Side::wire ? tunnel(frame.bytes) : std::nullopt;
    return t && t->outer.tags >= 2;
}

// All that differs is where the kernel's device has learned MACs.
bool only_rows_to(const Difference &d, const std::vector<std::string> &places)
{
    if (!d.kernel.empty() || !d.xvtep.empty() || !d.xvtep_rows.empty())
        return false;
    for (const Rows *rows : {&d.kernel_rows, &d.kernel_device_rows, &d.device_rows})
        for (const Row &row : *rows)
            if (std::ranges::find(places, row.dst) == places.end())
                return false;
    return true;
}

// The kernel's device has taken a cached route: it asks for a neighbour that is behind a router, or
// sends to another one. Packets of both twins are the same but for that.
bool route_is_stale(const Difference &d)
{
    const auto asks = [](const Seen &seen) {
        const Headers at = headers(seen.frame);
        if (seen.side != Side::wire)
            return false;
        if (at.type == 0x0806)
            return get16(seen.frame, 20) == 1 &&
                   (get16(seen.frame, 38) != 0xc000 || seen.frame[40] != 2); // not in 192.0.2.0/24
        return at.v6 && at.protocol == 58 && at.transport != 0 &&
               at.transport < seen.frame.size() && seen.frame[at.transport] == 135;
    };
    // To a VTEP behind the router: the frame waits for the neighbour, or the twin has the right
    // route.
    const auto far = [](const Seen &seen) {
        const Headers at = headers(seen.frame);
        const Bytes &f = seen.frame;
        if (seen.side != Side::wire || at.protocol != 17)
            return false;
        return at.v4 ? get16(f, at.network + 16) != 0xc000 || f[at.network + 18] != 2
                     : at.v6 && (get16(f, at.network + 24) != 0xfd08 ||
                                 std::ranges::any_of(View(f).subspan(at.network + 26, 12),
                                                     [](std::uint8_t byte) { return byte != 0; }) ||
                                 get16(f, at.network + 38) > 0xff);
    };
    std::vector<Seen> rest;
    bool stale = false;
    for (const Seen &seen : d.kernel)
        if (asks(seen))
            stale = true;
        else
            rest.push_back(seen);
    std::size_t more = 0;
    for (const Seen &seen : d.xvtep) {
        if (asks(seen)) {
            stale = true;
            continue;
        }
        if (seen.side != Side::wire || headers(seen.frame).protocol != 17)
            return false;
        const auto same = std::ranges::find_if(rest, [&](const Seen &other) {
            return other.frame.size() == seen.frame.size() && other.side == seen.side &&
                   std::ranges::equal(View(other.frame).subspan(6), View(seen.frame).subspan(6));
        });
        if (same != rest.end()) {
            rest.erase(same);
            stale = true;
        } else {
            stale = stale || far(seen);
            more++;
        }
    }
    const bool all_far = std::ranges::all_of(rest, far);
    const Shape &shape = d.frame->shape; // a GSO packet leaves as its segments
    const std::size_t segments = shape.size != 0 ? d.frame->bytes.size() / shape.size + 1 : 1;
    return (stale || !rest.empty()) && all_far && more <= 2 * segments;
}

// ICMP errors that differ in the checksum that they quote, and so in their own.
bool quotes_other_checksum(const Difference &d)
{
    if (d.frame->shape.flags == 0 || d.kernel.empty() || d.kernel.size() != d.xvtep.size())
        return false;
    for (std::size_t n = 0; n < d.kernel.size(); n++) {
        Bytes a = d.kernel[n].frame, b = d.xvtep[n].frame;
        const Headers at = headers(a);
        const std::size_t quoted = at.transport + 8;
        if (a.size() != b.size() || d.kernel[n].side == Side::wire || at.transport == 0 ||
            (at.protocol != 1 && at.protocol != 58) || quoted + 40 > a.size())
            return false;
        const std::size_t l4 = quoted + (at.v4 ? (a[quoted] & 15U) * 4 : 40);
        const unsigned protocol = a[quoted + (at.v4 ? 9 : 6)];
        for (Bytes *frame : {&a, &b}) {
            set16(*frame, at.transport + 2, 0);
            set16(*frame, l4 + (protocol == 6 ? 16 : 6), 0);
        }
        if (a != b)
            return false;
    }
    return true;
}

bool is_too_big6(const Seen &seen)
{
    const Headers at = headers(seen.frame);
    return seen.side != Side::wire && at.v6 && at.protocol == 58 && at.transport != 0 &&
           at.transport < seen.frame.size() && seen.frame[at.transport] == 2;
}

const Rule all[]{
    {"outer-checksum", "docs/kernel-differences.md", "Frames",
     "xvtep does not verify the outer UDP checksum", outer_sum_is_wrong,
     [](const Difference &d) {
         return outer_sum_is_wrong(*d.variant, *d.frame) &&
                (only_xvtep(d) || (d.kernel.empty() && d.xvtep.empty()));
     }},
    {"cut-teaches-nothing", "docs/kernel-differences.md", "Learning and ageing",
     "or because it ends within its inner IP header or tag", inner_is_cut,
     [](const Difference &d) {
         return inner_is_cut(*d.variant, *d.frame) && d.kernel.empty() && d.xvtep.empty();
     }},
    {"dropped-by-kernel", "docs/kernel-differences.md", "Learning and ageing",
     "Nothing is learned from a frame that is dropped for its ECN marks", kernel_may_drop,
     [](const Difference &d) {
         return only_kernel_takes(*d.variant, *d.frame) && d.kernel.empty() && d.xvtep.empty() &&
                d.kernel_device_rows.empty() && d.device_rows.empty() && !d.kernel_rows.empty();
     }},
    {"inner-checksum", "docs/kernel-differences.md", "Frames",
     "With UDP checksums, a frame whose inner TCP or UDP checksum is wrong leaves with a wrong "
     "outer "
     "one",
     nullptr,
     [](const Difference &d) {
         if (d.kernel.size() != d.xvtep.size() || d.kernel.empty() ||
             (!d.variant->udpcsum && !d.variant->v6))
             return false;
         for (std::size_t i = 0; i < d.kernel.size(); i++)
             if (d.xvtep[i].wrong.empty() || d.kernel[i].frame != d.xvtep[i].frame ||
                 !inner_sum_is_wrong(d.xvtep[i].frame))
                 return false;
         return true;
     }},
    {"no-source-address", "docs/kernel-differences.md", "Learning and ageing",
     "whose packets came from the unspecified address is learned by the kernel's device alone",
     nullptr, [](const Difference &d) { return only_rows_to(d, {"::"}); }},
    {"own-address", "docs/kernel-differences.md", "Learning and ageing",
     "Frames that the host has sent to itself", nullptr,
     [](const Difference &d) {
         return only_rows_to(d, {"192.0.2.1", "192.0.2.11", "127.0.0.1", "fd08::1", "::1"});
     }},
    {"own-broadcast", "docs/kernel-differences.md", "Learning and ageing",
     "packets to a broadcast address", nullptr,
     [](const Difference &d) {
         const auto is_itself = [&](const Seen &seen) {
             return seen.side == Side::host && seen.frame == d.frame->bytes;
         };
         return d.frame->side == Side::host && std::ranges::all_of(d.kernel, is_itself) &&
                std::ranges::all_of(d.xvtep, is_itself) && d.kernel.size() + d.xvtep.size() != 0;
     }},
    {"kernel-stale-route", "docs/kernel-differences.md", "Routes",
     "The kernel's device goes on with the route to the old VTEP", nullptr, route_is_stale},
    {"icmp-quotes-checksum", "docs/kernel-differences.md", "Frames",
     "quotes the packet with a finished one", nullptr, quotes_other_checksum},
    {"many-first-too-big", "docs/kernel-differences.md", "One device for many VNIs",
     "A packet that is too big, to a remote VTEP without a known path, leaves in fragments",
     nullptr,
     [](const Difference &d) {
         return d.variant->layout == Layout::many && d.frame->side != Side::wire &&
                d.frame->bytes.size() > d.variant->mtu - 50 + 14 && !d.kernel.empty() &&
                std::ranges::none_of(d.kernel, on_wire) && std::ranges::all_of(d.xvtep, on_wire);
     }},
    {"over-mtu-from-port", "docs/kernel-differences.md", "Bridges",
     "A frame from a local port that is larger than the MTU of the VTEP's device", nullptr,
     [](const Difference &d) {
         if (!has_switch(*d.variant) || d.frame->side == Side::wire)
             return false;
         const Headers at = headers(d.frame->bytes);
         return d.frame->bytes.size() > d.variant->mtu - 50 + 14 + 4 * std::min(at.tags, 1U) &&
                only_xvtep(d);
     }},
    {"cut-behind-tag", "docs/kernel-differences.md", "Bridges",
     "takes frames that end within their second VLAN tag", nullptr,
     [](const Difference &d) {
         return (d.variant->layout == Layout::trunk || d.variant->layout == Layout::many) &&
                ends_behind_tag(*d.frame) && only_xvtep(d);
     },
     true},
    {"too-big-with-extensions", "docs/kernel-differences.md", "Frames",
     "The kernel looks for the extension headers of an IPv6 packet that is too big 14 bytes too "
     "early",
     nullptr,
     [](const Difference &d) {
         const Headers at = headers(d.frame->bytes);
         if (d.frame->side == Side::wire || !at.v6)
             return false;
         const unsigned next = d.frame->bytes[at.network + 6];
         return (next == 0 || next == 43 || next == 44 || next == 51 || next == 60) &&
                std::ranges::any_of(d.kernel, is_too_big6) !=
                    std::ranges::any_of(d.xvtep, is_too_big6);
     }},
    {"too-big-from-many", "docs/kernel-differences.md", "Frames",
     "No ICMP error goes to a multicast address", nullptr,
     [](const Difference &d) {
         const Headers at = headers(d.frame->bytes);
         return d.frame->side != Side::wire && at.v6 && d.frame->bytes[at.network + 8] == 0xff &&
                std::ranges::any_of(d.kernel, is_too_big6) &&
                std::ranges::none_of(d.xvtep, is_too_big6);
     }},
    {"kernel-answer-strips-gso", "docs/kernel-differences.md", "Bridges",
     "the copies that a bridge sends to other ports after that are lost", nullptr,
     [](const Difference &d) {
         return d.variant->path_mtu != 0 && d.frame->shape.size != 0 &&
                (d.frame->bytes[0] & 1) != 0 && d.xvtep.empty() && !d.kernel.empty() &&
                std::ranges::none_of(d.kernel, on_wire);
     }},
    {"bridge-has-not-learned", "docs/kernel-differences.md", "Bridges",
     "Where the kernel's device has learned a MAC behind a remote VTEP and the bridge has not",
     nullptr,
     [](const Difference &d) {
         return has_switch(*d.variant) && d.frame->side != Side::wire && !d.bridge_knows &&
                d.xvtep.empty() && !d.kernel.empty() && d.common != 0;
     }},
    {"tags-teach-the-kernel", "docs/kernel-differences.md", "Learning and ageing",
     "the kernel's device alone learns from an outer packet with two or more priority tags",
     outer_has_tags,
     [](const Difference &d) {
         return outer_has_tags(*d.variant, *d.frame) && d.kernel.empty() && d.xvtep.empty();
     }},
    {"ecn-teaches-nothing", "docs/kernel-differences.md", "Learning and ageing",
     "Nothing is learned from a frame that is dropped for its ECN marks", ecn_drops,
     [](const Difference &d) {
         return ecn_drops(*d.variant, *d.frame) && d.kernel.empty() && d.xvtep.empty();
     }},
};

// Text with all white space as single spaces.
std::string flat(const std::string &text)
{
    std::istringstream in(text);
    std::string all_words;
    for (std::string word; in >> word;)
        all_words += (all_words.empty() ? "" : " ") + word;
    return all_words;
}

} // namespace

std::span<const Rule> rules()
{
    return all;
}

std::string check_rules(const std::string &source_directory)
{
    std::string missing;
    for (const Rule &rule : all) {
        std::ifstream file(source_directory + "/" + rule.document);
        std::stringstream text;
        text << file.rdbuf();
        const std::string whole = text.str();
        const std::size_t begin = whole.find(fmt::format("\n## {}\n", rule.heading));
        const std::size_t end = begin == std::string::npos ? begin : whole.find("\n## ", begin + 1);
        const std::string section =
            begin == std::string::npos ? "" : flat(whole.substr(begin, end - begin));
        if (section.find(flat(rule.words)) == std::string::npos)
            missing += fmt::format("{}: {} does not say below \"{}\": {}\n", rule.id, rule.document,
                                   rule.heading, rule.words);
    }
    return missing;
}

} // namespace xvtep::differential
