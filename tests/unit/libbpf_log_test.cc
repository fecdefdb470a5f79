// SPDX-License-Identifier: GPL-2.0-only
#include <bpf/libbpf.h>

#include <atomic>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "user/datapath/libbpf_log.h"

namespace xvtep {
namespace {

using testing::HasSubstr;

// libbpf warns of a file that is not there.
void warn(const std::string &file)
{
    EXPECT_EQ(bpf_object__open_file(file.c_str(), nullptr), nullptr);
}

TEST(LibbpfLog, HoldsTheLastWarningOfItsScope)
{
    {
        const LibbpfLog log;
        EXPECT_EQ(log.error(), "");
        warn("/nowhere/first");
        warn("/nowhere/second");
        EXPECT_THAT(log.error(), HasSubstr("/nowhere/second"));
        EXPECT_EQ(log.error().find('\n'), std::string::npos);
    }
    const LibbpfLog next;
    EXPECT_EQ(next.error(), "") << "a scope starts empty";
}

TEST(LibbpfLog, AMessageGoesToTheInnermostScope)
{
    const LibbpfLog outer;
    warn("/nowhere/outer");
    {
        const LibbpfLog inner;
        EXPECT_EQ(inner.error(), "");
        warn("/nowhere/inner");
        EXPECT_THAT(inner.error(), HasSubstr("/nowhere/inner"));
    }
    EXPECT_THAT(outer.error(), HasSubstr("/nowhere/outer"));
    warn("/nowhere/again");
    EXPECT_THAT(outer.error(), HasSubstr("/nowhere/again"));
}

TEST(LibbpfLog, OutsideOfAScopeNothingIsKeptOrPrinted)
{
    { // the first scope replaces the print functions for good
        const LibbpfLog log;
    }
    testing::internal::CaptureStderr();
    warn("/nowhere/outside");
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(LibbpfLog, ThreadsDoNotHearEachOther)
{
    std::atomic<int> wrong = 0;
    const auto run = [&](const std::string &name) {
        for (int n = 0; n < 200; n++) {
            const LibbpfLog log;
            const std::string file = fmt::format("/nowhere/{}/{}", name, n);
            (void)bpf_object__open_file(file.c_str(), nullptr);
            wrong += log.error().find(file) == std::string::npos ? 1 : 0;
        }
    };
    std::thread one(run, "one"), other(run, "other");
    one.join();
    other.join();
    EXPECT_EQ(wrong, 0);
}

// As libbpf 1.1 words it: the log in the middle of the warning, its statistics at the end.
TEST(LibbpfLog, TheVerifiersReasonIsToldRatherThanTheLastWarning)
{
    const LibbpfLog log;
    LibbpfLog::add_warning(
        "libbpf: prog 'p': -- BEGIN PROG LOAD LOG --\n0: (b7) r0 = 1\n"
        "R0 !read_ok\nprocessed 2 insns (limit 1000000)\n-- END PROG LOAD LOG --");
    LibbpfLog::add_warning("libbpf: failed to load object 'xvtep_bpf'");
    EXPECT_EQ(log.error(), "libbpf: prog 'p': R0 !read_ok");
}

} // namespace
} // namespace xvtep
