// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/tc_attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <unistd.h>

#include <cstdio>

#include <fmt/format.h>

#include "user/base/fd.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/libbpf_log.h"
#include "user/net/netlink.h"

namespace xvtep {
namespace {

// enum bpf_attach_type of Linux 6.6. libbpf 1.1 passes values on that it does not know.
constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);
constexpr auto tcx_egress = static_cast<bpf_attach_type>(47);

// They identify our filter on clsact. Nobody would choose this priority by hand.
constexpr __u32 clsact_handle = 0x7876;
constexpr __u32 clsact_priority = 0x7876;

std::string link_path(const TcPlace &place)
{
    return fmt::format("{}/links/{}_{}", place.directory, place.ifindex,
                       place.hook == Hook::ingress ? "ingress" : "egress");
}

std::string name_of(const TcPlace &place)
{
    return place.device.empty() ? fmt::format("ifindex {}", place.ifindex) : place.device;
}

bpf_tc_hook clsact_hook(const TcPlace &place)
{
    bpf_tc_hook hook{};
    hook.sz = sizeof(hook);
    hook.ifindex = place.ifindex;
    hook.attach_point = place.hook == Hook::ingress ? BPF_TC_INGRESS : BPF_TC_EGRESS;
    return hook;
}

bpf_tc_opts clsact_options()
{
    bpf_tc_opts options{};
    options.sz = sizeof(options);
    options.handle = clsact_handle;
    options.priority = clsact_priority;
    return options;
}

// Returns the id of our filter's program, or 0.
Result<__u32> clsact_program(const TcPlace &place)
{
    const LibbpfLog log; // libbpf warns if there is no clsact
    const bpf_tc_hook hook = clsact_hook(place);
    bpf_tc_opts options = clsact_options();
    const int error = -bpf_tc_query(&hook, &options);
    if (error == 0)
        return options.prog_id;
    // EINVAL: there is no clsact. EOPNOTSUPP: its filters are those of a shared block.
    if (error == ENOENT || error == ENODEV || error == EINVAL || error == EOPNOTSUPP)
        return 0;
    return errno_failure("look for filter", name_of(place), error);
}

// Returns an empty Fd if no link is pinned.
Result<Fd> pinned_link(const TcPlace &place)
{
    Fd link(bpf_obj_get(link_path(place).c_str()));
    if (!link && errno != ENOENT)
        return errno_failure("open link", link_path(place), errno);
    return link;
}

// bpf_link_info of libbpf 1.1 has no member tcx, whose ifindex is the first word of the union.
struct LinkInfo {
    __u32 type, id, program_id, padding;
    __u32 ifindex, attach_type;
    __u8 rest[64];
};

Result<LinkInfo> read_link(const Fd &link, const std::string &name)
{
    LinkInfo info{};
    __u32 size = sizeof(info);
    if (bpf_obj_get_info_by_fd(link.get(), &info, &size) != 0)
        return errno_failure("read link", name, errno);
    return info;
}

// Returns the id of the program that attach_tc() has attached, or 0.
Result<__u32> attached_id(const TcPlace &place)
{
    TRY_ASSIGN(const Fd link, pinned_link(place));
    if (!link)
        return clsact_program(place);
    TRY_ASSIGN(const auto info, read_link(link, name_of(place)));
    return info.program_id;
}

Result<std::string> program_name_of(__u32 id)
{
    const Fd program(bpf_prog_get_fd_by_id(id));
    bpf_prog_info info{};
    __u32 size = sizeof(info);
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &size) != 0)
        return errno_failure("read program", std::to_string(id), errno);
    return std::string(info.name);
}

Result<> attach_clsact(const TcPlace &place, int program_fd, bool *made_clsact)
{
    const LibbpfLog log;
    bpf_tc_hook hook = clsact_hook(place);
    const int created = bpf_tc_hook_create(&hook);
    if (created == 0)
        *made_clsact = true;
    else if (created != -EEXIST)
        return errno_failure("attach", place.device, -created, "clsact qdisc");
    bpf_tc_opts options = clsact_options();
    options.prog_fd = program_fd;
    options.flags = BPF_TC_F_REPLACE;
    if (const int error = bpf_tc_attach(&hook, &options); error != 0)
        return errno_failure("attach", place.device, -error, log.error());
    return {};
}

} // namespace

Result<> attach_tc(const TcPlace &place, int program_fd, bool *made_clsact)
{
    const std::string path = link_path(place);
    TRY_ASSIGN(const Fd pinned, pinned_link(place));
    if (pinned) {
        if (bpf_link_update(pinned.get(), program_fd, nullptr) == 0)
            return {};
        if (errno != ENOLINK) // the device is gone, and another has its index
            return errno_failure("attach", place.device, errno, "update link");
        ::unlink(path.c_str());
    }
    TRY_ASSIGN(const __u32 by_clsact, clsact_program(place));
    if (by_clsact != 0)
        return attach_clsact(place, program_fd, made_clsact);
    const Fd link(bpf_link_create(program_fd, place.ifindex,
                                  place.hook == Hook::ingress ? tcx_ingress : tcx_egress, nullptr));
    if (!link)
        return errno == EINVAL ? attach_clsact(place, program_fd, made_clsact)
                               : Result<>(errno_failure("attach", place.device, errno, "TCX link"));
    if (bpf_obj_pin(link.get(), path.c_str()) != 0)
        return errno_failure("attach", place.device, errno, "pin link");
    return {};
}

Result<> forget_tc(const TcPlace &place)
{
    const std::string path = link_path(place);
    // Without its pin the kernel would release the link too, but some time later.
    if (const auto link = pinned_link(place); link && *link)
        (void)bpf_link_detach(link->get());
    if (::unlink(path.c_str()) != 0 && errno != ENOENT)
        return errno_failure("remove link", path, errno);
    return {};
}

Result<> detach_tc(const TcPlace &place, Clsact clsact)
{
    TRY(forget_tc(place));
    TRY_ASSIGN(const __u32 by_clsact, clsact_program(place));
    const LibbpfLog log;
    bpf_tc_hook hook = clsact_hook(place);
    const bpf_tc_opts ours = clsact_options();
    if (const int error = by_clsact != 0 ? -bpf_tc_detach(&hook, &ours) : 0;
        error != 0 && error != ENODEV)
        return errno_failure("detach", name_of(place), error, log.error());
    if (clsact == Clsact::kept)
        return {};
    // Destroying the qdisc would destroy the filters of others, too.
    TRY_ASSIGN(auto netlink, Netlink::open());
    TRY_ASSIGN(const bool has_others, netlink.has_clsact_filters(place.ifindex));
    if (has_others)
        return {};
    hook.attach_point = static_cast<bpf_tc_attach_point>(BPF_TC_INGRESS | BPF_TC_EGRESS);
    if (const int error = -bpf_tc_hook_destroy(&hook); // EINVAL: the qdisc is gone
        error != 0 && error != ENODEV && error != ENOENT && error != EINVAL)
        return errno_failure("remove clsact of", name_of(place), error);
    return {};
}

Result<bool> is_tc_attached(const TcPlace &place)
{
    TRY_ASSIGN(const Fd link, pinned_link(place));
    if (link)
        return true;
    TRY_ASSIGN(const __u32 program, clsact_program(place));
    return program != 0;
}

Result<Fd> attached_tc_program(const TcPlace &place)
{
    TRY_ASSIGN(const __u32 id, attached_id(place));
    Fd program;
    if (id != 0)
        program = Fd(bpf_prog_get_fd_by_id(id));
    if (id != 0 && !program)
        return errno_failure("open program of", name_of(place), errno);
    return program;
}

Result<bool> is_tc_attached(const TcPlace &place, Program program)
{
    TRY_ASSIGN(const __u32 id, attached_id(place));
    if (id == 0)
        return false;
    TRY_ASSIGN(const std::string name, program_name_of(id));
    return name == std::string_view(program_name(program)).substr(0, BPF_OBJ_NAME_LEN - 1);
}

Result<std::vector<PinnedLink>> pinned_links(const std::string &directory)
{
    std::vector<PinnedLink> found;
    TRY_ASSIGN(const auto names, names_in(directory + "/links"));
    for (const auto &name : names) {
        PinnedLink link{};
        char hook[16] = {};
        if (std::sscanf(name.c_str(), "%d_%15s", &link.ifindex, hook) != 2)
            continue;
        link.hook = std::string_view(hook) == "ingress" ? Hook::ingress : Hook::egress;
        TRY_ASSIGN(const Fd fd, pinned_link({directory, link.ifindex, link.hook, ""}));
        if (!fd)
            continue; // it was removed meanwhile
        TRY_ASSIGN(const auto info, read_link(fd, name));
        link.dead = info.ifindex == 0;
        found.push_back(link);
    }
    return found;
}

} // namespace xvtep
