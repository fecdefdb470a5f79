// SPDX-License-Identifier: GPL-2.0-only
// Each test program has a bpf file system and a /run of its own: xvtep's lock, its pinned state,
// names of namespaces, and labs. So tests that run at the same time do not wait for each other, and
// with the program goes what it has left there.

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <gtest/gtest.h>

namespace xvtep::test {
namespace {

class PrivateMounts : public ::testing::Environment {
    void SetUp() override
    {
        if (::geteuid() != 0)
            return; // the tests that need this skip
        ASSERT_EQ(::unshare(CLONE_NEWNS), 0) << std::strerror(errno);
        ASSERT_EQ(::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0)
            << std::strerror(errno);
        ASSERT_EQ(::mount("bpf", "/sys/fs/bpf", "bpf", 0, "mode=0700"), 0) << std::strerror(errno);
        ASSERT_EQ(::mount("tmpfs", "/run", "tmpfs", 0, "mode=0755"), 0) << std::strerror(errno);
    }
};

[[maybe_unused]] const auto *const private_mounts =
    ::testing::AddGlobalTestEnvironment(new PrivateMounts);

} // namespace
} // namespace xvtep::test
