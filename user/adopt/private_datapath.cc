// SPDX-License-Identifier: GPL-2.0-only
#include "user/adopt/private_datapath.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "user/datapath/bpffs.h"
#include "user/datapath/programs.h"

namespace xvtep::adopt {
namespace {

constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46); // of Linux 6.6
constexpr auto tcx_egress = static_cast<bpf_attach_type>(47);

Result<Fd> mount_privately()
{
    const auto failure = [](const char *step) {
        return errno_failure("mount", "a private bpf file system", errno, step);
    };
    const Fd context(static_cast<int>(::syscall(SYS_fsopen, "bpf", FSOPEN_CLOEXEC)));
    if (!context)
        return failure("fsopen");
    if (::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, "mode", "0700", 0) != 0 ||
        ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return failure("fsconfig");
    Fd mount(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, 0)));
    if (!mount)
        return failure("fsmount");
    return mount;
}

bool is_own(const bpf_map *map)
{
    return std::string_view(bpf_map__name(map)).starts_with("adopt_");
}

Result<BpfObject> load_programs(const std::string &maps, const Sizes &sizes)
{
    TRY_ASSIGN(auto object, open_adopt_object());
    TRY(reuse_pinned_maps(object, maps, NewMaps::made));
    bpf_map *const devices = bpf_object__find_map_by_name(object.get(), "adopt_devices");
    if (devices == nullptr || bpf_map__set_max_entries(devices, sizes.slots) != 0)
        return errno_failure("size map", "adopt_devices", errno);
    TRY(load_bpf_object(object));
    bpf_map *map = nullptr;
    bpf_object__for_each_map(map, object.get())
    {
        if (!is_own(map) || bpf_map__is_internal(map))
            continue;
        if (bpf_obj_pin(bpf_map__fd(map), (maps + "/" + bpf_map__name(map)).c_str()) != 0)
            return errno_failure("pin map", bpf_map__name(map), errno);
    }
    return object;
}

} // namespace

Result<PrivateDatapath> PrivateDatapath::make(std::uint64_t cookie, const Sizes &sizes)
{
    TRY_ASSIGN(Fd mount, mount_privately());
    const std::string directory =
        state_directory(fmt::format("/proc/self/fd/{}", mount.get()), cookie);
    TRY(create_datapath(directory, sizes));
    const std::string maps = directory + "/maps";
    TRY_ASSIGN(auto object, load_programs(maps, sizes));
    TRY_ASSIGN(auto tables, Tables::open(directory));
    TRY_ASSIGN(auto service, Shared<xv_adopt_service>::open(maps, "adopt_service"));
    TRY_ASSIGN(auto devices, Shared<xv_adopted>::open(maps, "adopt_devices"));
    TRY_ASSIGN(auto tombstones, (Table<xv_fdb_key, __u32>::open(maps, "adopt_tombstones")));
    return PrivateDatapath(std::move(mount), std::move(object), std::move(tables),
                           std::move(service), std::move(devices), std::move(tombstones));
}

Result<int> PrivateDatapath::program(const char *name) const
{
    const bpf_program *const found = bpf_object__find_program_by_name(object_.get(), name);
    if (found == nullptr)
        return errno_failure("find program", name, ENOENT);
    return bpf_program__fd(found);
}

Result<Fd> PrivateDatapath::attach(const char *name, int ifindex, Hook hook,
                                   const std::string &device) const
{
    TRY_ASSIGN(const int fd, program(name));
    Fd link(
        bpf_link_create(fd, ifindex, hook == Hook::ingress ? tcx_ingress : tcx_egress, nullptr));
    if (!link && errno == EINVAL)
        return system_failure("attach", device, "the kernel has no TCX (Linux 6.6 has)",
                              EOPNOTSUPP);
    if (!link)
        return errno_failure("attach", device, errno, "TCX link");
    return link;
}

Result<> PrivateDatapath::run(std::span<const xv_adopt_row> rows) const
{
    constexpr std::size_t most = 3200 / sizeof(xv_adopt_row); // BPF_PROG_TEST_RUN takes a page
    TRY_ASSIGN(const int fd, program("xvtep_adopt_rows"));
    while (!rows.empty()) {
        const auto part = rows.first(std::min(most, rows.size()));
        LIBBPF_OPTS(bpf_test_run_opts, run);
        run.data_in = part.data();
        run.data_size_in = static_cast<__u32>(part.size_bytes());
        if (bpf_prog_test_run_opts(fd, &run) != 0)
            return errno_failure("run", "xvtep_adopt_rows", errno);
        if (run.retval != part.size())
            return system_failure("run", "xvtep_adopt_rows", "it has not handled all rows", EIO);
        rows = rows.subspan(part.size());
    }
    return {};
}

} // namespace xvtep::adopt
