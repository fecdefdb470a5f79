// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/tagging.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <cerrno>
#include <cstddef>
#include <span>

#include "user/base/fd.h"

namespace xvtep {

namespace {

bpf_insn insn(int code, int dst, int src, int offset, std::int32_t immediate)
{
    bpf_insn made{};
    made.code = static_cast<__u8>(code);
    made.dst_reg = static_cast<__u8>(dst & 0xf);
    made.src_reg = static_cast<__u8>(src & 0xf);
    made.off = static_cast<__s16>(offset);
    made.imm = immediate;
    return made;
}
bpf_insn set(int reg, std::int32_t value)
{
    return insn(BPF_ALU64 | BPF_MOV | BPF_K, reg, 0, 0, value);
}
bpf_insn copy(int to, int from)
{
    return insn(BPF_ALU64 | BPF_MOV | BPF_X, to, from, 0, 0);
}
bpf_insn load(int to, std::size_t field)
{
    return insn(BPF_LDX | BPF_MEM | BPF_W, to, BPF_REG_6, static_cast<int>(field), 0);
}
bpf_insn call(int helper)
{
    return insn(BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}
bpf_insn skip_if_equal(int reg, std::int32_t value, int count)
{
    return insn(BPF_JMP | BPF_JEQ | BPF_K, reg, 0, count, value);
}
bpf_insn end()
{
    return insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

Result<> attach_ingress(int device, std::span<const bpf_insn> program)
{
    const Fd loaded(::bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "lab_vlan", "GPL", program.data(),
                                    program.size(), nullptr));
    if (!loaded)
        return errno_failure("load VLAN program", "", errno);
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = device;
    hook.attach_point = BPF_TC_INGRESS;
    // It may be there already, which libbpf would complain of.
    const libbpf_print_fn_t print = ::libbpf_set_print(nullptr);
    const int made = ::bpf_tc_hook_create(&hook);
    ::libbpf_set_print(print);
    if (made != 0 && made != -EEXIST)
        return errno_failure("attach VLAN program", "", -made);
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.prog_fd = loaded.get();
    if (const int error = ::bpf_tc_attach(&hook, &options); error != 0)
        return errno_failure("attach VLAN program", "", -error);
    return {};
}

} // namespace

Result<> tie_vlan(int device, int trunk, std::uint16_t vlan)
{
    const bpf_insn tag[] = {
        set(BPF_REG_2, htons(ETH_P_8021Q)),
        set(BPF_REG_3, vlan),
        call(BPF_FUNC_skb_vlan_push),
        skip_if_equal(BPF_REG_0, 0, 2),
        set(BPF_REG_0, TC_ACT_SHOT),
        end(),
        set(BPF_REG_1, trunk),
        set(BPF_REG_2, 0),
        call(BPF_FUNC_redirect),
        end(),
    };
    const bpf_insn untag[] = {
        copy(BPF_REG_6, BPF_REG_1),
        load(BPF_REG_2, offsetof(__sk_buff, vlan_present)),
        skip_if_equal(BPF_REG_2, 0, 3),
        load(BPF_REG_2, offsetof(__sk_buff, vlan_tci)),
        insn(BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_2, 0, 0, 0xfff),
        skip_if_equal(BPF_REG_2, vlan, 2),
        set(BPF_REG_0, TC_ACT_UNSPEC), // another VLAN's program comes next
        end(),
        copy(BPF_REG_1, BPF_REG_6),
        call(BPF_FUNC_skb_vlan_pop),
        skip_if_equal(BPF_REG_0, 0, 2),
        set(BPF_REG_0, TC_ACT_SHOT),
        end(),
        set(BPF_REG_1, device),
        set(BPF_REG_2, 0),
        call(BPF_FUNC_redirect),
        end(),
    };
    TRY(attach_ingress(device, tag));
    return attach_ingress(trunk, untag);
}

} // namespace xvtep
