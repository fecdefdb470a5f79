// SPDX-License-Identifier: GPL-2.0-only
#include "bench/sinks.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "bench/bpf/captured.h"
#include "bench/world.h"
#include "sinks.skel.h"
#include "user/datapath/libbpf_log.h"
#include "user/net/netlink.h"
#include "xvtep/netns.h"

namespace xvtep::bench {

Result<Sink> Sink::open()
{
    const LibbpfLog log;
    Sink made;
    made.skeleton_.reset(sinks_bpf::open_and_load(), sinks_bpf::destroy);
    if (!made.skeleton_)
        return errno_failure("load program", "sinks", errno, log.error());
    return made;
}

namespace {

// The device shares its filters with others of the namespace, as xvtep's do: behind those. In the
// calling thread's namespace, which is `netns`.
Result<> attach_to_block(const std::string &netns, int index, int program)
{
    static std::set<std::pair<std::string, __u32>> done; // namespaces and ids of programs
    bpf_prog_info info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(program, &info, &size) != 0)
        return errno_failure("read", "sink", errno);
    if (done.contains({netns, info.id}))
        return {};
    TRY_ASSIGN(auto netlink, Netlink::open());
    TRY_ASSIGN(const auto qdiscs, netlink.clsact_qdiscs());
    for (const auto &qdisc : qdiscs) {
        if (qdisc.ifindex != index || qdisc.ingress_block == 0)
            continue;
        constexpr std::uint16_t behind_all = 0xff00; // priority
        TRY(netlink.put_block_filter(
            qdisc.ingress_block,
            {.handle = 1, .priority = behind_all, .program_fd = program, .name = "sink"},
            OldFilter::replaced));
        done.emplace(netns, info.id);
        return {};
    }
    return errno_failure("attach TC program to", "ifindex " + std::to_string(index), ENOENT);
}

} // namespace

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
    const int error = bpf_tc_attach(&hook, &options);
    if (error == -EOPNOTSUPP)
        return attach_to_block(netns, index, program);
    if (error != 0)
        return errno_failure("attach TC program to", device, -error);
    return {};
}

Result<> attach_xdp(const std::string &netns, const std::string &device, int program)
{
    TRY_ASSIGN(const int index, index_of(netns, device));
    TRY_ASSIGN(const auto space, Netns::open(netns));
    TRY_ASSIGN(const auto scope, space.enter());
    if (const int error = bpf_xdp_attach(index, program, XDP_FLAGS_DRV_MODE, nullptr); error != 0)
        return errno_failure("attach XDP program to", device, -error);
    return {};
}

Result<> Sink::put(const std::string &netns, const std::string &device, Hook hook)
{
    return hook == Hook::tc
               ? attach_tc_ingress(netns, device, bpf_program__fd(skeleton_->progs.tc_sink))
               : attach_xdp(netns, device, bpf_program__fd(skeleton_->progs.xdp_sink));
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

void Sink::keep()
{
    std::vector<Arrival> stale;
    (void)read(stale);
    skeleton_->bss->keeping = 1;
}

Result<> Sink::read(std::vector<Arrival> &into)
{
    const auto add = [](void *to, void *data, std::size_t) {
        const auto *c = static_cast<const struct captured *>(data);
        static_cast<std::vector<Arrival> *>(to)->push_back(
            {.device = static_cast<int>(c->ifindex), .frame = Frame(c->frame, c->frame + c->size)});
        return 0;
    };
    const std::unique_ptr<ring_buffer, decltype(&ring_buffer__free)> ring(
        ring_buffer__new(bpf_map__fd(skeleton_->maps.captured), add, &into, nullptr),
        ring_buffer__free);
    if (!ring || ring_buffer__consume(ring.get()) < 0)
        return errno_failure("read", "kept frames", errno);
    return {};
}

Result<std::vector<Arrival>> Sink::kept(std::size_t frames)
{
    using namespace std::chrono_literals;
    const auto end = std::chrono::steady_clock::now() + 300ms;
    std::vector<Arrival> arrivals;
    TRY(read(arrivals));
    while (arrivals.size() < frames && std::chrono::steady_clock::now() < end) {
        std::this_thread::sleep_for(2ms);
        TRY(read(arrivals));
    }
    std::this_thread::sleep_for(5ms); // for what must not come
    TRY(read(arrivals));
    skeleton_->bss->keeping = 0;
    return arrivals;
}

} // namespace xvtep::bench
