// SPDX-License-Identifier: GPL-2.0-only
#include "bench/generator.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "bench/world.h"
#include "generator.skel.h"
#include "user/datapath/libbpf_log.h"
#include "xvtep/netns.h"

namespace xvtep::bench {

Result<Generator> Generator::open(const std::string &netns, const std::string &device, Frame frame,
                                  bool vxlan, Variety variety)
{
    const LibbpfLog log;
    TRY_ASSIGN(const int index, index_of(netns, device));
    Generator made;
    made.netns_ = netns;
    made.device_ = device;
    made.frame_ = std::move(frame);
    made.skeleton_.reset(generator_bpf::open(), generator_bpf::destroy);
    if (!made.skeleton_)
        return errno_failure("open program", "generator", errno);
    auto &constants = *made.skeleton_->rodata;
    constants.out = static_cast<__u32>(index);
    constants.vxlan = vxlan;
    constants.flows = variety.flows;
    constants.macs = variety.macs;
    constants.vnis = variety.vnis;
    constants.vni = vni;
    constants.marks = variety.marks;
    if (generator_bpf::load(made.skeleton_.get()) != 0)
        return errno_failure("load program", "generator", errno, log.error());
    return made;
}

Result<std::chrono::duration<double>> Generator::send(unsigned frames)
{
    TRY_ASSIGN(const auto space, Netns::open(netns_));
    TRY_ASSIGN(const auto scope, space.enter());
    TRY_ASSIGN(const int index, index_of(netns_, device_));
    xdp_md context{};
    context.data_end = static_cast<__u32>(frame_.size());
    context.ingress_ifindex = static_cast<__u32>(index);
    LIBBPF_OPTS(bpf_test_run_opts, options);
    options.data_in = frame_.data();
    options.data_size_in = static_cast<__u32>(frame_.size());
    options.ctx_in = &context;
    options.ctx_size_in = sizeof(context);
    options.repeat = static_cast<int>(frames);
    options.flags = BPF_F_TEST_XDP_LIVE_FRAMES;
    options.batch_size = batch_;
    const int program = bpf_program__fd(skeleton_->progs.generate);
    auto &stamps = *skeleton_->bss;
    stamps.sent = stamps.last_at = 0;
    if (bpf_prog_test_run_opts(program, &options) != 0)
        return errno_failure("send frames on", device_, errno);
    // The call itself waits for grace periods before the first frame and after the last.
    if (stamps.last_at == 0)
        return std::chrono::duration<double>(0);
    return std::chrono::duration<double>(static_cast<double>(stamps.last - stamps.first) / 1e9 *
                                         frames / static_cast<double>(stamps.last_at));
}

void Generator::forget()
{
    skeleton_->bss->sent = 0;
}

std::uint64_t Generator::sent() const
{
    return *static_cast<const volatile __u64 *>(&skeleton_->bss->sent);
}

} // namespace xvtep::bench
