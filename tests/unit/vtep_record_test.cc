// SPDX-License-Identifier: GPL-2.0-only
// The options of attach in the record of a VTEP.
#include <gtest/gtest.h>

#include "user/vtep/record.h"

namespace xvtep {
namespace {

AttachRequest request_with(Accept accept)
{
    AttachRequest request;
    request.local = Ip::parse("192.0.2.1");
    request.udpcsum = false;
    request.ttl.value = 64;
    request.accept = accept;
    return request;
}

TEST(VtepRecord, KeepsWhoIsAccepted)
{
    for (const Accept accept : {Accept::any, Accept::known}) {
        xv_vtep vtep{};
        write_options(vtep, request_with(accept));
        EXPECT_EQ((vtep.flags & XV_VTEP_ACCEPT_KNOWN) != 0, accept == Accept::known);
        AttachRequest read = request_with(accept == Accept::any ? Accept::known : Accept::any);
        read_options(vtep, read);
        EXPECT_EQ(read.accept, accept);
    }
}

// How the VTEP was made, and what becomes of it, is no option.
TEST(VtepRecord, KeepsWhatIsNoOption)
{
    constexpr __u32 others = XV_VTEP_MADE_BRIDGE | XV_VTEP_DEVICE | XV_VTEP_CHANGING |
                             XV_VTEP_CHANGING_OPTIONS | XV_VTEP_LOCAL_AUTO | XV_VTEP_ROUTED |
                             0xffU << XV_VTEP_CONFIRMED_SHIFT;
    xv_vtep vtep{};
    vtep.flags = ~__u32{0};
    AttachRequest request = request_with(Accept::any);
    request.learning = false;
    write_options(vtep, request);
    EXPECT_EQ(vtep.flags & others, others);
    EXPECT_EQ(vtep.flags & (XV_VTEP_LEARNING | XV_VTEP_ACCEPT_KNOWN | XV_VTEP_V6), 0U);
}

} // namespace
} // namespace xvtep
