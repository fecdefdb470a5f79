// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/xdp_attach.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
#include <xdp/libxdp.h>

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "user/datapath/bpf_object.h"
#include "user/datapath/bpffs.h"
#include "user/datapath/libbpf_log.h"
#include "xvtep/netns.h"

namespace xvtep {
namespace {

// The kernel keeps only the first 15 characters of a name.
constexpr std::string_view our_names = "xvtep_xdp_";

struct ProgramCloser {
    void operator()(xdp_program *program) const { xdp_program__close(program); }
};
struct MultiprogCloser {
    void operator()(xdp_multiprog *multiprog) const { xdp_multiprog__close(multiprog); }
};
using Multiprog = std::unique_ptr<xdp_multiprog, MultiprogCloser>;

// libxdp loads the program itself, if possible as an extension of its dispatcher. So it needs an
// object that is open but not loaded, and that uses the pinned maps.
struct OpenProgram {
    BpfObject object;
    std::unique_ptr<xdp_program, ProgramCloser> program;
};

Result<OpenProgram> open_unloaded(const XdpPlace &place, Program which)
{
    OpenProgram open;
    TRY_SET(open.object, open_bpf_object());
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, open.object.get()) bpf_program__set_autoload(
        program, bpf_program__name(program) == std::string_view(program_name(which)));
    TRY(reuse_pinned_maps(open.object, place.maps));
    xdp_program_opts options{};
    options.sz = sizeof(options);
    options.obj = open.object.get();
    options.prog_name = program_name(which);
    xdp_program *made = xdp_program__create(&options);
    if (const long error = libxdp_get_error(made); error != 0)
        return errno_failure("attach", place.device, static_cast<int>(-error), "open XDP program");
    open.program.reset(made);
    return open;
}

bool is_ours(const xdp_program *program)
{
    const char *name = xdp_program__name(program);
    return name != nullptr && std::string_view(name).starts_with(our_names);
}

// libxdp makes a directory for dispatchers even if it then attaches without one.
void remove_empty_dispatcher_directory()
{
    if (const auto root = bpffs_root())
        ::rmdir((*root + "/xdp").c_str());
}

Failure look_failure(int ifindex, int error, const LibbpfLog &log)
{
    return errno_failure("look at XDP of", fmt::format("ifindex {}", ifindex), error, log.error());
}

// Whether libxdp has read all programs of the device. When it cannot read a dispatcher's BTF, it
// returns an object without any program and no error; when it cannot read the pins of a
// dispatcher's programs, later versions return the dispatcher as if it were the only program.
bool is_complete(const xdp_multiprog *found)
{
    const xdp_program *main = xdp_multiprog__main_prog(found);
    if (main == nullptr)
        return xdp_multiprog__hw_prog(found) != nullptr;
    const char *name = xdp_program__name(main);
    return !xdp_multiprog__is_legacy(found) || name == nullptr ||
           name != std::string_view("xdp_dispatcher");
}

// The programs of the device, or null if there are none.
Result<Multiprog> attached(int ifindex)
{
    const LibbpfLog log;
    xdp_multiprog *found = xdp_multiprog__get_from_ifindex(ifindex);
    const auto error = static_cast<int>(-libxdp_get_error(found));
    if (error == 0) {
        Multiprog programs(found);
        if (!is_complete(found))
            return look_failure(ifindex, EIO, log);
        return programs;
    }
    if (error == ENODEV)
        return Multiprog();
    __u32 id = 0; // ENOENT may also mean that there is a dispatcher whose pins are missing
    if (error == ENOENT && bpf_xdp_query_id(ifindex, 0, &id) == 0 && id == 0)
        return Multiprog();
    if (error == EPERM)
        TRY(check_privileges("look at XDP of", fmt::format("ifindex {}", ifindex), Privilege::xdp));
    return look_failure(ifindex, error, log);
}

// Those of the attached programs that are ours.
std::vector<xdp_program *> ours_in(const xdp_multiprog *found)
{
    std::vector<xdp_program *> ours;
    if (xdp_multiprog__is_legacy(found)) {
        if (xdp_program *only = xdp_multiprog__main_prog(found); only != nullptr && is_ours(only))
            ours.push_back(only);
        return ours;
    }
    for (xdp_program *program = xdp_multiprog__next_prog(nullptr, found); program != nullptr;
         program = xdp_multiprog__next_prog(program, found))
        if (is_ours(program))
            ours.push_back(program);
    return ours;
}

Result<bool> is_attached(int ifindex, __u32 program_id)
{
    TRY_ASSIGN(const Multiprog found, attached(ifindex));
    return found && std::ranges::any_of(ours_in(found.get()), [&](const xdp_program *program) {
               return xdp_program__id(program) == program_id;
           });
}

Result<> take_off(const std::vector<xdp_program *> &programs, xdp_multiprog *found, int ifindex)
{
    for (xdp_program *program : programs) {
        const LibbpfLog log;
        const int error =
            xdp_multiprog__is_legacy(found)
                ? xdp_multiprog__detach(found)
                : xdp_program__detach(program, ifindex, xdp_multiprog__attach_mode(found), 0);
        if (error == 0 || error == -ENODEV)
            continue;
        // xdp_program__detach() returns ENOENT for every error in reading what is attached.
        bool left = true;
        if (error == -ENOENT)
            TRY_SET(left, is_attached(ifindex, xdp_program__id(program)));
        if (left)
            return errno_failure("detach XDP from", fmt::format("ifindex {}", ifindex), -error,
                                 log.error());
    }
    return {};
}

// Whether the program that was just attached is found again, or it is taken off: it could not be
// detached later. libbpf gives it no name where memory for a trial was short, because it takes that
// for a kernel without names of programs.
Result<> check_attached(const OpenProgram &open, const XdpPlace &place)
{
    const auto found = is_xdp_attached(place.ifindex);
    if (found && *found)
        return {};
    const auto mode = place.generic ? XDP_MODE_SKB : XDP_MODE_NATIVE;
    (void)xdp_program__detach(open.program.get(), place.ifindex, mode, 0);
    remove_empty_dispatcher_directory();
    TRY(found);
    return system_failure("attach", place.device, "its XDP program has lost its name", ENOMEM);
}

} // namespace

Result<> attach_xdp(const XdpPlace &place, Program program)
{
    TRY(check_privileges("attach", place.device, Privilege::xdp));
    const LibbpfLog log;
    TRY_ASSIGN(auto open, open_unloaded(place, program));
    const auto mode = place.generic ? XDP_MODE_SKB : XDP_MODE_NATIVE;
    const int error = xdp_program__attach(open.program.get(), place.ifindex, mode, 0);
    remove_empty_dispatcher_directory();
    if (error == 0)
        return check_attached(open, place);
    if (error == -EBUSY || error == -EEXIST)
        return system_failure("attach", place.device,
                              "another XDP program is there and cannot be shared with (it was not "
                              "attached through libxdp, or this kernel cannot load its dispatcher)",
                              EBUSY);
    if (error == -EOPNOTSUPP)
        return system_failure("attach", place.device,
                              place.generic ? "the device takes no generic XDP program"
                                            : "its driver has no native XDP (--mode skb or tc)",
                              EOPNOTSUPP);
    return errno_failure("attach", place.device, -error, log.error());
}

Result<> replace_xdp(const XdpPlace &place, Program program, int loaded_fd)
{
    TRY_ASSIGN(const Multiprog found, attached(place.ifindex));
    if (!found)
        return attach_xdp(place, program);
    const auto old = ours_in(found.get());
    if (xdp_multiprog__is_legacy(found.get())) {
        if (old.empty())
            return system_failure("reload", place.device, "another XDP program is there", EBUSY);
        LIBBPF_OPTS(bpf_xdp_attach_opts, options);
        options.old_prog_fd = xdp_program__fd(old.front());
        const __u32 flags =
            XDP_FLAGS_REPLACE | (place.generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
        if (const int error = bpf_xdp_attach(place.ifindex, loaded_fd, flags, &options); error != 0)
            return errno_failure("reload", place.device, -error);
        return {};
    }
    // In a dispatcher both programs run for a moment. The second passes what the first
    // decapsulated.
    TRY(attach_xdp(place, program));
    return take_off(old, found.get(), place.ifindex);
}

Result<> detach_xdp(int ifindex)
{
    TRY_ASSIGN(const Multiprog found, attached(ifindex));
    if (!found)
        return {};
    TRY(take_off(ours_in(found.get()), found.get(), ifindex));
    remove_empty_dispatcher_directory();
    return {};
}

Result<bool> is_xdp_attached(int ifindex)
{
    TRY_ASSIGN(const Multiprog found, attached(ifindex));
    return found && !ours_in(found.get()).empty();
}

void set_libxdp_bpffs()
{
    if (const auto root = bpffs_root(); root && *root != usual_bpffs)
        ::setenv("LIBXDP_BPFFS", root->c_str(), 0);
}

} // namespace xvtep
