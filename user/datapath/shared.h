// SPDX-License-Identifier: GPL-2.0-only
// The memory of an array map, in which the BPF programs count at the same time.
#pragma once

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep {

template <class Value> class Shared {
  public:
    static Result<Shared> open(const std::string &maps, const char *name)
    {
        const Fd fd(bpf_obj_get((maps + "/" + name).c_str()));
        if (!fd)
            return errno_failure("open map", name, errno);
        bpf_map_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
            return errno_failure("read map", name, errno);
        if (info.value_size != sizeof(Value) || sizeof(Value) % 8 != 0)
            return system_failure("open map", name, "its layout is another version's", EPROTO);
        const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
        const std::size_t bytes = (sizeof(Value) * info.max_entries + page - 1) / page * page;
        void *const memory =
            ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
        if (memory == MAP_FAILED)
            return errno_failure("map memory of", name, errno);
        return Shared({static_cast<Value *>(memory), [bytes](Value *at) { ::munmap(at, bytes); }},
                      info.max_entries);
    }

    [[nodiscard]] std::size_t size() const { return size_; }
    // `index` must be below size().
    Value &operator[](std::size_t index) const { return values_.get()[index]; }

  private:
    Shared(std::shared_ptr<Value> values, std::size_t size)
        : values_(std::move(values)), size_(size)
    {
    }
    std::shared_ptr<Value> values_;
    std::size_t size_;
};

template <class Number> Number add_shared(Number &number, Number more)
{
    return std::atomic_ref(number).fetch_add(more) + more;
}

} // namespace xvtep
