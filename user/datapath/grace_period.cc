// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/grace_period.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>

#include "user/base/fd.h"

namespace xvtep {

Result<> wait_for_running_programs()
{
    const auto failed = [] { return errno_failure("wait for", "running BPF programs", errno); };
    const Fd inner(bpf_map_create(BPF_MAP_TYPE_ARRAY, "xvtep_inner", sizeof(__u32), sizeof(__u32),
                                  1, nullptr));
    if (!inner)
        return failed();
    LIBBPF_OPTS(bpf_map_create_opts, options);
    options.inner_map_fd = static_cast<__u32>(inner.get());
    const Fd outer(bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "xvtep_outer", sizeof(__u32),
                                  sizeof(__u32), 1, &options));
    if (!outer)
        return failed();
    const __u32 key = 0;
    const int value = inner.get();
    if (bpf_map_update_elem(outer.get(), &key, &value, BPF_ANY) != 0)
        return failed();
    return {};
}

} // namespace xvtep
