// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/snoop.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace xvtep::agent {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes operator+(Bytes one, const Bytes &other)
{
    one.insert(one.end(), other.begin(), other.end());
    return one;
}
const Bytes me{2, 0, 0, 0, 0, 1}, other{2, 0, 0, 0, 0, 2}, all(6, 0xff), nobody(6, 0);
const Bytes ip1{10, 20, 1, 2}, ip2{10, 20, 1, 3}, no_ip(4, 0);

Bytes arp(std::uint8_t operation, const Bytes &from, const Bytes &sender, const Bytes &sender_ip,
          const Bytes &target, const Bytes &target_ip)
{
    return all + from + Bytes{8, 6, 0, 1, 8, 0, 6, 4, 0, operation} + sender + sender_ip + target +
           target_ip;
}
std::string heard(const Bytes &frame)
{
    // In memory of its own size: reading on is found.
    const Bytes copy(frame);
    const auto found = parse_frame(copy);
    return found ? found->mac.text() + " " + found->ip.text() : "";
}
Bytes v6(std::uint8_t last, std::uint8_t first = 0xfd)
{
    Bytes address(16, 0);
    address[0] = first;
    address[15] = last;
    return address;
}
Bytes option(std::uint8_t type, const Bytes &mac)
{
    return Bytes{type, 1} + mac;
}
Bytes nd(std::uint8_t type, const Bytes &from, const Bytes &source, const Bytes &target,
         const Bytes &options = {}, std::uint8_t hops = 255)
{
    const auto size = static_cast<std::uint8_t>(24 + options.size());
    return all + from + Bytes{0x86, 0xdd, 0x60, 0, 0, 0, 0, size, 58, hops} + source + v6(1, 0xff) +
           Bytes{type, 0, 0, 0, 0, 0, 0, 0} + target + options;
}

TEST(Snoop, HearsTheSenderOfArp)
{
    EXPECT_EQ(heard(arp(1, me, me, ip1, nobody, ip2)), "02:00:00:00:00:01 10.20.1.2") << "request";
    EXPECT_EQ(heard(arp(2, me, me, ip1, other, ip2)), "02:00:00:00:00:01 10.20.1.2") << "reply";
    EXPECT_EQ(heard(arp(1, me, me, ip1, nobody, ip1)), "02:00:00:00:00:01 10.20.1.2")
        << "gratuitous";
    EXPECT_EQ(heard(arp(1, me, me, no_ip, nobody, ip1)), "") << "a probe: it is not its own yet";
    EXPECT_EQ(heard(arp(2, me, other, ip1, other, ip2)), "") << "a proxy";
    EXPECT_EQ(heard(arp(1, all, all, ip1, nobody, ip2)), "");
    EXPECT_EQ(heard(arp(1, nobody, nobody, ip1, nobody, ip2)), "");
    EXPECT_EQ(heard(arp(1, me, me, {224, 0, 0, 1}, nobody, ip2)), "");
    EXPECT_EQ(heard(arp(1, me, me, {127, 0, 0, 1}, nobody, ip2)), "");
    EXPECT_EQ(heard(arp(1, me, me, {255, 255, 255, 255}, nobody, ip2)), "");
}

TEST(Snoop, HearsNeighbourDiscovery)
{
    const std::string mine = "02:00:00:00:00:01 fd00::2";
    EXPECT_EQ(heard(nd(135, me, v6(2), v6(3), option(1, me))), mine) << "solicitation";
    EXPECT_EQ(heard(nd(135, me, v6(2), v6(3))), mine);
    EXPECT_EQ(heard(nd(136, me, v6(9), v6(2), option(2, me))), mine) << "advertisement";
    EXPECT_EQ(heard(nd(135, me, Bytes(16, 0), v6(2))), mine) << "duplicate address detection";
    EXPECT_EQ(heard(nd(136, me, v6(9), v6(2), option(2, other))), "") << "a proxy";
    EXPECT_EQ(heard(nd(135, me, v6(2), v6(3), option(1, other))), "");
    EXPECT_EQ(heard(nd(135, me, v6(2), v6(3), {}, 64)), "") << "routed";
    EXPECT_EQ(heard(nd(133, me, v6(2), v6(3))), "") << "router solicitation";
    EXPECT_EQ(heard(nd(136, me, v6(9), v6(1, 0xff))), "") << "multicast";
    Bytes code = nd(135, me, v6(2), v6(3));
    code[55] = 1;
    EXPECT_EQ(heard(code), "");
}

TEST(Snoop, AnnouncesAnAddress)
{
    const Mac mac{{2, 0, 0, 0, 0, 1}};
    const Bytes garp = announcement_frame(*Ip::parse("10.20.1.2"), mac, 0);
    EXPECT_EQ(garp, (all + me + Bytes{8, 6, 0, 1, 8, 0, 6, 4, 0, 2} + me + ip1 + me + ip1));
    EXPECT_EQ(heard(garp), "02:00:00:00:00:01 10.20.1.2");

    const Ip address = *Ip::parse("fd00::2");
    const Bytes na = announcement_frame(address, mac, 0);
    Bytes all_nodes = v6(1, 0xff);
    all_nodes[1] = 2;
    EXPECT_EQ(Bytes(na.begin(), na.begin() + 12), (Bytes{0x33, 0x33, 0, 0, 0, 1} + me));
    EXPECT_EQ(Bytes(na.begin() + 22, na.begin() + 54), v6(2) + all_nodes);
    EXPECT_EQ(Bytes(na.begin() + 54, na.begin() + 56), (Bytes{136, 0}));
    EXPECT_EQ(na[58], 0xa0) << "unsolicited, overrides; a router may be at it";
    EXPECT_EQ(Bytes(na.begin() + 62, na.end()), v6(2) + option(2, me));
    EXPECT_EQ(heard(na), "02:00:00:00:00:01 fd00::2");
    std::uint32_t sum = 58 + 32; // RFC 4443 2.3: with the checksum in it, all ones
    for (std::size_t at = 22; at < na.size(); at += 2)
        sum += static_cast<std::uint32_t>(na[at] << 8 | na[at + 1]);
    EXPECT_EQ((sum >> 16) + (sum & 0xffff), 0xffffU);

    for (const Ip &ip : {address, *Ip::parse("10.20.1.2")}) {
        Bytes tagged = announcement_frame(ip, mac, 7);
        EXPECT_EQ(Bytes(tagged.begin() + 12, tagged.begin() + 16), (Bytes{0x81, 0, 0, 7}));
        tagged.erase(tagged.begin() + 12, tagged.begin() + 16);
        EXPECT_EQ(tagged, announcement_frame(ip, mac, 0));
    }
}

TEST(Snoop, IsNotFooled)
{
    Bytes wrong = arp(1, me, me, ip1, nobody, ip2);
    for (const std::size_t at : {14U, 15U, 16U, 18U, 19U}) {
        Bytes one = wrong;
        one[at] ^= 0x40;
        EXPECT_EQ(heard(one), "") << at;
    }
    EXPECT_EQ(heard(nd(135, me, v6(2), v6(3), {1, 0, 0, 0, 0, 0, 0, 0})), "") << "no length";
    EXPECT_EQ(heard(nd(135, me, v6(2), v6(3), {1, 9, 0, 0, 0, 0, 0, 0})), "") << "too long";
    Bytes lies = nd(135, me, v6(2), v6(3), option(1, me));
    lies[18] = 0xff; // more than there is
    EXPECT_EQ(heard(lies), "02:00:00:00:00:01 fd00::2");
    lies[18] = 0, lies[19] = 8; // less than a solicitation
    EXPECT_EQ(heard(lies), "");
    for (const Bytes &whole : {wrong, nd(135, me, v6(2), v6(3), option(1, me))})
        for (std::size_t size = 0; size < whole.size(); size++) {
            const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
            if (size < 42 || (whole.size() > 42 && size < 78)) {
                EXPECT_EQ(heard(cut), "") << size;
            }
        }
}

} // namespace
} // namespace xvtep::agent
