// SPDX-License-Identifier: GPL-2.0-only
// Which devices `xvtep adopt` takes, their records, and which of the kernel's entries it mirrors.
#include <arpa/inet.h>
#include <linux/neighbour.h>
#include <net/if_arp.h>

#include <gtest/gtest.h>

#include "user/adopt/device.h"
#include "user/vtep/session.h"

namespace xvtep::adopt {
namespace {

Link made_by_frr()
{
    Link link{.index = 7, .name = "vni100", .kind = "vxlan", .type = ARPHRD_ETHER};
    VxlanOptions options;
    options.vni = 100;
    options.local = Ip::parse("192.0.2.1");
    options.learning = false;
    options.udpcsum = true;
    options.srcport_min = options.srcport_max = 0;
    link.vxlan = options;
    return link;
}

const RecordChoices choices{
    .slot = 3, .cookie = 9, .defaults = {.ttl = 64, .port_low = 32768, .port_high = 60999}};

TEST(AdoptDevice, RefusesWhatIsNotServed)
{
    EXPECT_EQ(why_refused(made_by_frr()), "");
    const auto reason = [](auto change) {
        Link link = made_by_frr();
        change(link);
        return why_refused(link);
    };
    EXPECT_EQ(reason([](Link &link) { link.vxlan.reset(); }), "not a vxlan device");
    EXPECT_EQ(reason([](Link &link) { link.vxlan->learning = true; }), "learns: not supported yet");
    EXPECT_NE(reason([](Link &link) { link.vxlan->external = true; }), "");
    EXPECT_NE(reason([](Link &link) { link.vxlan->vnifilter = true; }), "");
    EXPECT_NE(reason([](Link &link) { link.vxlan->gpe = true; }), "");
    EXPECT_NE(reason([](Link &link) { link.vxlan->remcsum = true; }), "");
    EXPECT_NE(reason([](Link &link) { link.lower_nsid = 0; }), "");
    for (auto field : {&AttachRequest::local, &AttachRequest::remote, &AttachRequest::group})
        EXPECT_NE(reason([&](Link &link) { (*link.vxlan).*field = Ip::parse("fd00::1"); }), "");
}

TEST(AdoptDevice, TheRecordHasWhatTheKernelDoes)
{
    const xv_vtep record = record_of(made_by_frr(), choices, nullptr);
    EXPECT_EQ(record.slot, 3U);
    EXPECT_EQ(record.vni, 100U);
    EXPECT_EQ(record.ifindex, 7U);
    EXPECT_EQ(ntohs(record.dstport), 4789);
    EXPECT_EQ(record.ttl, 64);
    EXPECT_EQ(record.srcport_min, 32768) << "ip_local_port_range";
    EXPECT_EQ(record.srcport_max, 60999);
    EXPECT_EQ(to_ip(record.local).text(), "192.0.2.1");
    EXPECT_EQ(record.flags & XV_VTEP_ROUTED, XV_VTEP_ROUTED);
    EXPECT_EQ(record.flags & (XV_VTEP_UDPCSUM | XV_VTEP_LEARNING | XV_VTEP_LOCAL_AUTO), 0U);

    Link link = made_by_frr();
    link.vxlan->srcport_min = 1000;
    link.vxlan->srcport_max = 1000; // empty: as the kernel has it
    EXPECT_EQ(record_of(link, choices, nullptr).srcport_min, 32768);
    link.vxlan->srcport_max = 2000;
    link.vxlan->ttl.value = 5;
    RecordChoices kept = choices;
    kept.udpcsum = true;
    const xv_vtep other = record_of(link, kept, nullptr);
    EXPECT_EQ(other.srcport_max, 2000);
    EXPECT_EQ(other.ttl, 5);
    EXPECT_EQ(other.flags & XV_VTEP_UDPCSUM, XV_VTEP_UDPCSUM);
    EXPECT_FALSE(is_same(record, other));
    link.vxlan->udpcsum = false;
    EXPECT_EQ(record_of(link, kept, nullptr).flags & XV_VTEP_UDPCSUM, 0U);
}

TEST(AdoptDevice, KeepsTheLocalAddressThatWasFound)
{
    Link link = made_by_frr();
    link.vxlan->local.reset();
    xv_vtep record = record_of(link, choices, nullptr);
    EXPECT_EQ(record.flags & XV_VTEP_LOCAL_AUTO, XV_VTEP_LOCAL_AUTO);
    const xv_vtep at_first = record;
    record.local = to_addr(*Ip::parse("192.0.2.9")); // as the programs do
    record.flags ^= 5U << XV_VTEP_CONFIRMED_SHIFT;
    record.underlay_count = 1;
    EXPECT_TRUE(is_same(at_first, record));
    const xv_vtep again = record_of(link, choices, &record);
    EXPECT_EQ(to_ip(again.local).text(), "192.0.2.9");
    EXPECT_EQ(again.flags, record.flags);
    EXPECT_EQ(to_ip(record_of(made_by_frr(), choices, &record).local).text(), "192.0.2.1");
}

TEST(AdoptMirror, HasPlainEntriesAlone)
{
    const xv_vtep vtep = record_of(made_by_frr(), choices, nullptr);
    const KernelFdbEntry plain{.mac = *Mac::parse("02:00:00:00:00:01"),
                               .dst = Ip::parse("192.0.2.2"),
                               .state = NUD_REACHABLE};
    const auto key = mirrored_key(vtep, plain);
    ASSERT_TRUE(key);
    EXPECT_EQ(key->vni, 100U);
    EXPECT_EQ(key->dstport, htons(4789));
    EXPECT_EQ(key->mac[5], 1);
    const auto is_left_out = [&](auto change) {
        KernelFdbEntry entry = plain;
        change(entry);
        return !mirrored_key(vtep, entry);
    };
    EXPECT_TRUE(is_left_out([](auto &entry) { entry.dst.reset(); })) << "a group of next hops";
    EXPECT_TRUE(is_left_out([](auto &entry) { entry.port = 4790; }));
    EXPECT_TRUE(is_left_out([](auto &entry) { entry.vni = 7; }));
    EXPECT_TRUE(is_left_out([](auto &entry) { entry.src_vni = 7; }));
    EXPECT_TRUE(is_left_out([](auto &entry) { entry.via = 2; }));
    EXPECT_TRUE(is_left_out([](auto &entry) { entry.mac = Mac{}; }));
    for (const char *const mac : {"01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff"})
        EXPECT_TRUE(is_left_out([&](auto &entry) { entry.mac = *Mac::parse(mac); })) << mac;
    for (const char *const dst : {"0.0.0.0", "127.0.0.1", "239.1.1.1", "fd00::2"})
        EXPECT_TRUE(is_left_out([&](auto &entry) { entry.dst = Ip::parse(dst); })) << dst;
}

} // namespace
} // namespace xvtep::adopt
