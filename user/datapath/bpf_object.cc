// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/bpf_object.h"

#include <bpf/libbpf.h>

#include "user/datapath/libbpf_log.h"
#include "xvtep.skel.h"

namespace xvtep {

void BpfObjectCloser::operator()(bpf_object *object) const
{
    bpf_object__close(object);
}

Result<BpfObject> open_bpf_object()
{
    const LibbpfLog log;
    std::size_t size = 0;
    const void *const bytes = xvtep_bpf__elf_bytes(&size);
    LIBBPF_OPTS(bpf_object_open_opts, options);
    options.object_name = "xvtep_bpf";
    BpfObject object(bpf_object__open_mem(bytes, size, &options));
    if (!object)
        return errno_failure("open", "BPF object", errno, log.error());
    return object;
}

Result<> load_bpf_object(const BpfObject &object)
{
    const LibbpfLog log;
    if (const int error = bpf_object__load(object.get()); error != 0)
        return errno_failure("load", "BPF programs", -error, log.error());
    return {};
}

} // namespace xvtep
