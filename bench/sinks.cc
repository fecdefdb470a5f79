// SPDX-License-Identifier: GPL-2.0-only
#include "bench/sinks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "bench/bpf/captured.h"
#include "bench/world.h"
#include "sinks.skel.h"
#include "user/datapath/quiet.h"
#include "xvtep/netns.h"

namespace xvtep::bench {

Result<Sink> Sink::open()
{
    quiet_libraries();
    Sink made;
    made.skeleton_.reset(sinks_bpf::open_and_load(), sinks_bpf::destroy);
    if (!made.skeleton_)
        return errno_failure("load program", "sinks", errno, last_complaint());
    return made;
}

Result<> attach_tc_ingress(const std::string &netns, const std::string &device, int program)
{
    TRY_ASSIGN(const int index, index_of(netns, device));
    TRY_ASSIGN(const auto space, Netns::open(netns));
    TRY_ASSIGN(const auto scope, space.enter());
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = index;
    hook.attach_point = BPF_TC_INGRESS;
    if (const int error = bpf_tc_hook_create(&hook); error != 0 && error != -EEXIST)
        return errno_failure("attach TC program to", device, -error);
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.prog_fd = program;
    options.handle = 1;
    options.priority = 1;
    options.flags = BPF_TC_F_REPLACE;
    if (const int error = bpf_tc_attach(&hook, &options); error != 0)
        return errno_failure("attach TC program to", device, -error);
    return {};
}

Result<> Sink::put(const std::string &netns, const std::string &device, Hook hook, int program)
{
    if (hook == Hook::tc)
        return attach_tc_ingress(netns, device, program);
    TRY_ASSIGN(const int index, index_of(netns, device));
    TRY_ASSIGN(const auto space, Netns::open(netns));
    TRY_ASSIGN(const auto scope, space.enter());
    if (const int error = bpf_xdp_attach(index, program, XDP_FLAGS_DRV_MODE, nullptr); error != 0)
        return errno_failure("attach XDP program to", device, -error);
    return {};
}

Result<> Sink::count(const std::string &netns, const std::string &device, Hook hook)
{
    const auto &programs = skeleton_->progs;
    return put(netns, device, hook,
               bpf_program__fd(hook == Hook::tc ? programs.tc_count : programs.xdp_count));
}

Result<> Sink::capture(const std::string &netns, const std::string &device, Hook hook)
{
    const __u32 zero = 0;
    const struct captured none {
    };
    bpf_map_update_elem(bpf_map__fd(skeleton_->maps.captured), &zero, &none, BPF_ANY);
    const auto &programs = skeleton_->progs;
    return put(netns, device, hook,
               bpf_program__fd(hook == Hook::tc ? programs.tc_capture : programs.xdp_capture));
}

Result<> Sink::watch(const std::string &netns, const std::string &device)
{
    return put(netns, device, Hook::tc, bpf_program__fd(skeleton_->progs.tc_count_pass));
}

std::uint64_t Sink::counted() const
{
    const __u32 zero = 0;
    std::vector<__u64> values(static_cast<std::size_t>(std::max(libbpf_num_possible_cpus(), 1)));
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.seen), &zero, values.data()) != 0)
        return 0;
    std::uint64_t sum = 0;
    for (const auto value : values)
        sum += value;
    return sum;
}

Captured Sink::captured() const
{
    const __u32 zero = 0;
    struct captured got {};
    if (bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.captured), &zero, &got) != 0)
        return {};
    return {.count = got.count, .last = Frame(got.frame, got.frame + got.size)};
}

Captured Sink::wait_captured(unsigned frames) const
{
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(200);
    Captured got = captured();
    while (got.count < frames && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        got = captured();
    }
    return got;
}

} // namespace xvtep::bench
