// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/bpf_object.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <string>

#include "adopt.skel.h"
#include "user/datapath/libbpf_log.h"
#include "xvtep.skel.h"

namespace xvtep {
namespace {

Result<BpfObject> open_object(const char *name, const void *bytes, std::size_t size)
{
    const LibbpfLog log;
    LIBBPF_OPTS(bpf_object_open_opts, options);
    options.object_name = name;
    BpfObject object(bpf_object__open_mem(bytes, size, &options));
    if (!object)
        return errno_failure("open", "BPF object", errno, log.error());
    return object;
}

// libbpf leaves out the names of programs if its trial whether the kernel takes names has failed,
// as for want of memory. Programs are known by their names.
Result<> check_names(const BpfObject &object)
{
    bpf_program *program = nullptr;
    bpf_object__for_each_program(program, object.get())
    {
        if (bpf_program__fd(program) < 0)
            continue;
        bpf_prog_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(bpf_program__fd(program), &info, &size) != 0)
            return errno_failure("look at program", bpf_program__name(program), errno);
        if (info.name[0] == '\0')
            return system_failure("load", "BPF programs",
                                  std::string(bpf_program__name(program)) + " has lost its name",
                                  ENOMEM);
    }
    return {};
}

} // namespace

void BpfObjectCloser::operator()(bpf_object *object) const
{
    bpf_object__close(object);
}

Result<BpfObject> open_bpf_object()
{
    std::size_t size = 0;
    const void *const bytes = xvtep_bpf__elf_bytes(&size);
    return open_object("xvtep_bpf", bytes, size);
}

Result<BpfObject> open_adopt_object()
{
    std::size_t size = 0;
    const void *const bytes = adopt_bpf__elf_bytes(&size);
    return open_object("adopt_bpf", bytes, size);
}

Result<> load_bpf_object(const BpfObject &object)
{
    const LibbpfLog log;
    if (const int error = bpf_object__load(object.get()); error != 0)
        return errno_failure("load", "BPF programs", -error, log.error());
    return check_names(object);
}

} // namespace xvtep
