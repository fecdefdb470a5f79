// SPDX-License-Identifier: GPL-2.0-only
#include "bench/memory.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <deque>
#include <fstream>
#include <string>
#include <thread>

namespace xvtep::bench {
namespace {

double memory_now()
{
    std::ifstream in("/proc/meminfo");
    double kib = 0;
    for (std::string key; in >> key;)
        if (double value = 0;
            (key == "VmallocUsed:" || key == "Percpu:" || key == "Slab:") && in >> value)
            kib += value;
    return kib * 1024;
}

} // namespace

double settled_memory(double limit)
{
    using Clock = std::chrono::steady_clock;
    constexpr std::size_t samples = 6;
    constexpr auto step = std::chrono::milliseconds(100);
    const auto end = Clock::now() + std::chrono::duration<double>(limit);
    // What a grace period holds back does not move at first.
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    std::deque<double> last;
    while (true) {
        last.push_back(memory_now());
        if (last.size() > samples)
            last.pop_front();
        const auto [least, most] = std::ranges::minmax(last);
        if ((last.size() == samples && most - least < 64 * 1024) || Clock::now() >= end)
            return last.back();
        std::this_thread::sleep_for(step);
    }
}

Result<Fd> hold_program_block()
{
    const std::array<bpf_insn, 2> code = {{
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0},
    }};
    Fd fd(bpf_prog_load(BPF_PROG_TYPE_SOCKET_FILTER, "held", "GPL", code.data(), code.size(),
                        nullptr));
    if (!fd)
        return errno_failure("load program", "held", errno);
    return fd;
}

} // namespace xvtep::bench
