// SPDX-License-Identifier: GPL-2.0-only
#include "user/datapath/raw_map.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <vector>

#include "user/datapath/datapath.h"

namespace xvtep {

Result<RawMap> RawMap::open(const std::string &maps, const char *name)
{
    Fd fd(bpf_obj_get((maps + "/" + name).c_str()));
    bpf_map_info info{};
    __u32 size = sizeof(info);
    if (!fd || bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
        return errno_failure("open map", name, errno);
    std::size_t value_size = info.value_size;
    if (info.type == BPF_MAP_TYPE_PERCPU_ARRAY || info.type == BPF_MAP_TYPE_PERCPU_HASH) {
        TRY_ASSIGN(const auto cpus, possible_cpus());
        value_size = (value_size + 7) / 8 * 8 * cpus;
    }
    return RawMap(std::move(fd), name, info.key_size, value_size);
}

Result<bool> RawMap::look_up(const void *key, std::span<std::byte> value) const
{
    if (value.size() < value_size_)
        return system_failure("look up in", name_, "its values are larger", EPROTO);
    if (bpf_map_lookup_elem(fd_.get(), key, value.data()) == 0)
        return true;
    if (errno == ENOENT)
        return false;
    return errno_failure("look up in", name_, errno);
}

Result<> RawMap::walk(const std::function<Result<>(Bytes key, Bytes value)> &each) const
{
    std::vector<std::byte> key(key_size_), next(key_size_), value(value_size_);
    for (const void *from = nullptr; bpf_map_get_next_key(fd_.get(), from, next.data()) == 0;
         from = key.data()) {
        key = next;
        TRY_ASSIGN(const bool there, look_up(key.data(), value));
        if (there)
            TRY(each(key, value));
    }
    if (errno != ENOENT)
        return errno_failure("read", name_, errno);
    return {};
}

Result<> RawMap::for_each(const std::function<Result<>(Bytes key, Bytes value)> &each) const
{
    const auto chunk =
        static_cast<__u32>(std::clamp<std::size_t>((4 << 20) / value_size_, 64, 4096)); // entries
    std::vector<std::byte> keys(chunk * key_size_), values(chunk * value_size_);
    __u32 batch_in = 0, batch_out = 0; // the cursor of a hash is a bucket number
    for (bool first = true;; first = false) {
        __u32 count = chunk;
        const int failed = bpf_map_lookup_batch(fd_.get(), first ? nullptr : &batch_in, &batch_out,
                                                keys.data(), values.data(), &count, nullptr);
        const int error = failed != 0 ? errno : 0;
        if (first && error != 0 && error != ENOENT) // it has no batches, or a bucket is too large
            return walk(each);
        if (error != 0 && error != ENOENT)
            return errno_failure("read", name_, error);
        for (__u32 n = 0; n < count; n++)
            TRY(each(Bytes(keys).subspan(n * key_size_, key_size_),
                     Bytes(values).subspan(n * value_size_, value_size_)));
        if (error == ENOENT)
            return {};
        batch_in = batch_out;
    }
}

} // namespace xvtep
