// SPDX-License-Identifier: GPL-2.0-only
// Network tests in namespaces of their own, built with iproute2's words.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/support/scratch.h"
#include "xvtep/netns.h"

namespace xvtep::test {

struct Output {
    int status = -1;
    std::string text; // standard output and error
};

// Runs a shell command with a time limit.
inline Output sh(const std::string &command, int seconds = 30)
{
    Output output;
    const std::string whole =
        fmt::format("timeout -k 1 {} sh -c '{}' 2>&1 </dev/null", seconds, command);
    std::FILE *pipe = ::popen(whole.c_str(), "r");
    if (pipe == nullptr)
        return output;
    std::array<char, 4096> chunk{};
    while (const std::size_t size = std::fread(chunk.data(), 1, chunk.size(), pipe))
        output.text.append(chunk.data(), size);
    const int status = ::pclose(pipe);
    output.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return output;
}

// Hosts are namespaces named after this process, gone with the test. Needs root.
class NetnsCase : public ::testing::Test {
  protected:
    void SetUp() override
    {
        if (::geteuid() != 0)
            GTEST_SKIP() << "needs root, for network namespaces and BPF";
    }

    void TearDown() override
    {
        // What is pinned goes with the next command, or with this process (private_mounts.cc).
        for (const auto &name : hosts_)
            (void)Netns::remove(name);
    }

    std::string host(const std::string &name)
    {
        const std::string full = fmt::format("xvt{}-{}", ::getpid(), name);
        EXPECT_TRUE(Netns::create(full).has_value()) << full;
        hosts_.push_back(full);
        return full;
    }

    static std::string xvtep() { return XVTEP_BINARY; }

    // A command that must succeed; its output.
    static std::string must(const std::string &command, int seconds = 30)
    {
        const Output output = sh(command, seconds);
        EXPECT_EQ(output.status, 0) << command << "\n" << output.text;
        return output.text;
    }

    static std::string in(const std::string &host, const std::string &command, int seconds = 30)
    {
        return must(fmt::format("ip netns exec {} {}", host, command), seconds);
    }

    static void ip(const std::string &host, const std::string &words)
    {
        must(fmt::format("ip -n {} {}", host, words));
    }

    // A wire: `a_dev` in `a` to `b_dev` in `b`, up.
    static void wire(const std::string &a, const std::string &a_dev, const std::string &b,
                     const std::string &b_dev, unsigned mtu = 1500)
    {
        must(fmt::format("ip link add {} netns {} mtu {} type veth peer name {} netns {} mtu {}",
                         a_dev, a, mtu, b_dev, b, mtu));
        ip(a, fmt::format("link set {} up", a_dev));
        ip(b, fmt::format("link set {} up", b_dev));
    }

    // Packets lost of `count`.
    static int pings_lost(const std::string &host, const std::string &to, int count = 3,
                          const std::string &options = "-i 0.05")
    {
        const Output output = sh(
            fmt::format("ip netns exec {} ping -q -W 1 -c {} {} {}", host, count, options, to), 60);
        int sent = 0, received = 0;
        const auto at = output.text.find(" packets transmitted");
        if (at == std::string::npos)
            return count;
        const auto line = output.text.rfind('\n', at);
        std::sscanf(output.text.c_str() + line + 1, "%d packets transmitted, %d received", &sent,
                    &received);
        return count - received;
    }

    // A file of this test's, gone with it.
    [[nodiscard]] std::string file(const std::string &name) const { return scratch_.file(name); }

  private:
    std::vector<std::string> hosts_;
    Scratch scratch_;
};

} // namespace xvtep::test
