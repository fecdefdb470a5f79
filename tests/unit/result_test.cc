// SPDX-License-Identifier: GPL-2.0-only
#include "user/base/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "user/base/undo.h"

namespace xvtep {
namespace {

TEST(Error, IsOneLine)
{
    EXPECT_EQ((Error{ErrorKind::system, "attach", "eth9", "no such device", ENODEV}.message()),
              "attach eth9: no such device");
    EXPECT_EQ((Error{ErrorKind::system, "list links", "", "timed out", 0}.message()),
              "list links: timed out");
    EXPECT_EQ((Error{ErrorKind::usage, "", "vni", "too large", 0}.message()), "vni: too large");
}

TEST(Error, SaysErrnoInLowerCase)
{
    EXPECT_EQ(errno_text(ENODEV), "no such device");
    EXPECT_EQ(errno_text(EPERM), "operation not permitted");
    EXPECT_EQ(errno_text(EADV), "advertise error");
    EXPECT_EQ(errno_text(ENOTUNIQ), "name not unique on network");
    EXPECT_EQ(errno_text(99999), "error 99999");
    EXPECT_EQ(errno_text(EDOTDOT), "RFS specific error");
}

TEST(Failure, CarriesWhoseFaultItWas)
{
    const Result<int> usage = usage_failure("create link", "x", "bad name");
    ASSERT_FALSE(usage);
    EXPECT_EQ(usage.error().kind, ErrorKind::usage);
    EXPECT_EQ(usage.error().code, 0);

    const Result<int> plain = errno_failure("create link", "x", EEXIST);
    EXPECT_EQ(plain.error().kind, ErrorKind::system);
    EXPECT_EQ(plain.error().code, EEXIST);
    EXPECT_EQ(plain.error().message(), "create link x: file exists");

    const Result<int> detailed = errno_failure("create link", "x", EINVAL, "Unknown device type");
    EXPECT_EQ(detailed.error().message(), "create link x: invalid argument (Unknown device type)");
}

Result<std::unique_ptr<int>> made(bool works)
{
    if (!works)
        return system_failure("make", "number", "refused", EACCES);
    return std::make_unique<int>(7);
}

Result<int> doubled(bool works)
{
    TRY_ASSIGN(const std::unique_ptr<int> number, made(works));
    TRY_ASSIGN(const std::unique_ptr<int> again, made(works));
    return *number + *again;
}

Result<> tried(bool works, int &reached)
{
    TRY(doubled(works));
    reached++;
    return {};
}

TEST(Try, HandsFailuresOn)
{
    EXPECT_EQ(doubled(true).value(), 14);
    EXPECT_EQ(doubled(false).error().message(), "make number: refused");

    int reached = 0;
    EXPECT_TRUE(tried(true, reached));
    EXPECT_EQ(tried(false, reached).error().code, EACCES);
    EXPECT_EQ(reached, 1);
}

TEST(Undo, RunsNewestFirstUnlessCommitted)
{
    std::vector<int> order;
    {
        Undo undo;
        undo.push([&] { order.push_back(1); });
        undo.push([&] { order.push_back(2); });
    }
    EXPECT_EQ(order, (std::vector{2, 1}));
    {
        Undo undo;
        undo.push([&] { order.push_back(3); });
        undo.commit();
    }
    EXPECT_EQ(order.size(), 2U);
}

} // namespace
} // namespace xvtep
