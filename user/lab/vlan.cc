// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/vlan.h"

#include <bpf/libbpf.h>

#include <cerrno>
#include <memory>

#include "lab_vlan.skel.h"

namespace xvtep {

namespace {

struct Destroy {
    void operator()(lab_vlan_bpf *programs) const { lab_vlan_bpf::destroy(programs); }
};

Result<> attach_ingress(int device, const bpf_program *program)
{
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = device;
    hook.attach_point = BPF_TC_INGRESS;
    // libbpf prints a warning where the hook exists already, as a trunk of several VLANs has it.
    const libbpf_print_fn_t print = ::libbpf_set_print(nullptr);
    const int made = ::bpf_tc_hook_create(&hook);
    ::libbpf_set_print(print);
    if (made != 0 && made != -EEXIST)
        return errno_failure("attach VLAN program", "", -made);
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.prog_fd = ::bpf_program__fd(program);
    if (const int error = ::bpf_tc_attach(&hook, &options); error != 0)
        return errno_failure("attach VLAN program", "", -error);
    return {};
}

} // namespace

Result<> connect_vlan(int device, int trunk, std::uint16_t vlan)
{
    const std::unique_ptr<lab_vlan_bpf, Destroy> programs(lab_vlan_bpf::open());
    if (!programs)
        return errno_failure("open VLAN program", "", errno);
    programs->rodata->device = static_cast<__u32>(device);
    programs->rodata->trunk = static_cast<__u32>(trunk);
    programs->rodata->vlan = vlan;
    if (const int error = lab_vlan_bpf::load(programs.get()); error != 0)
        return errno_failure("load VLAN program", "", -error);
    TRY(attach_ingress(device, programs->progs.lab_vlan_tag));
    return attach_ingress(trunk, programs->progs.lab_vlan_untag);
}

} // namespace xvtep
