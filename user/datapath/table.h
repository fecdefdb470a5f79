// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep {

// A pinned BPF map without types; its users call bpf(2) with fd().
class PinnedMap {
  public:
    static Result<PinnedMap> open(const std::string &maps, const char *name)
    {
        Fd fd(bpf_obj_get((maps + "/" + name).c_str()));
        if (!fd)
            return errno_failure("open map", name, errno);
        return PinnedMap(std::move(fd));
    }

    [[nodiscard]] int fd() const { return fd_.get(); }

  private:
    explicit PinnedMap(Fd fd) : fd_(std::move(fd)) {}
    Fd fd_;
};

// A pinned BPF map with its key and value types from bpf/abi/tables.h.
template <class Key, class Value> class Table {
  public:
    using Entry = std::pair<Key, Value>;

    static Result<Table> open(const std::string &maps, const char *name)
    {
        Fd fd(bpf_obj_get((maps + "/" + name).c_str()));
        if (!fd)
            return errno_failure("open map", name, errno);
        bpf_map_info info{};
        __u32 size = sizeof(info);
        if (bpf_obj_get_info_by_fd(fd.get(), &info, &size) != 0)
            return errno_failure("read map", name, errno);
        if (info.key_size != sizeof(Key) || info.value_size != sizeof(Value))
            return system_failure("open map", name, "its layout is another version's", EPROTO);
        return Table(std::move(fd), name, info.max_entries);
    }

    // Returns nothing if the map has no such key.
    [[nodiscard]] Result<std::optional<Value>> look_up(const Key &key) const
    {
        Value value;
        if (bpf_map_lookup_elem(fd_.get(), &key, &value) == 0)
            return value;
        if (errno == ENOENT)
            return std::nullopt;
        return errno_failure("look up in", name_, errno);
    }

    // `flags`: BPF_ANY, BPF_NOEXIST (EEXIST) or BPF_EXIST (ENOENT).
    Result<> put(const Key &key, const Value &value, unsigned flags = BPF_ANY) const
    {
        if (bpf_map_update_elem(fd_.get(), &key, &value, flags) == 0)
            return {};
        if (errno == E2BIG)
            return system_failure("update", name_, "the table is full", ENOSPC);
        return errno_failure("update", name_, errno);
    }

    // Returns whether the key existed.
    [[nodiscard]] Result<bool> remove(const Key &key) const
    {
        if (bpf_map_delete_elem(fd_.get(), &key) == 0)
            return true;
        if (errno == ENOENT)
            return false;
        return errno_failure("remove from", name_, errno);
    }

    // Returns all entries, each as it was when read. The entries of a hash have no order.
    [[nodiscard]] Result<std::vector<Entry>> entries() const
    {
        constexpr __u32 chunk = 4096;
        std::vector<Entry> all;
        std::vector<Key> keys(chunk);
        std::vector<Value> values(chunk);
        __u32 batch_in = 0, batch_out = 0; // the cursor of a hash is a bucket number
        bool first = true;
        for (;;) {
            __u32 count = chunk;
            const int failed =
                bpf_map_lookup_batch(fd_.get(), first ? nullptr : &batch_in, &batch_out,
                                     keys.data(), values.data(), &count, nullptr);
            const int error = failed != 0 ? errno : 0;
            if (error == ENOSPC)
                return entries_one_by_one();
            if (error != 0 && error != ENOENT)
                return errno_failure("read", name_, error);
            for (__u32 i = 0; i < count; i++)
                all.emplace_back(keys[i], values[i]);
            if (error == ENOENT)
                return all;
            batch_in = batch_out;
            first = false;
        }
    }

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] unsigned capacity() const { return capacity_; }

  private:
    Table(Fd fd, const char *name, unsigned capacity)
        : fd_(std::move(fd)), name_(name), capacity_(capacity)
    {
    }

    // For a hash with a bucket larger than a chunk: slow, but complete.
    [[nodiscard]] Result<std::vector<Entry>> entries_one_by_one() const
    {
        std::vector<Entry> all;
        Key key, next;
        for (const Key *from = nullptr; bpf_map_get_next_key(fd_.get(), from, &next) == 0;
             from = &key) {
            key = next;
            TRY_ASSIGN(const auto value, look_up(key));
            if (value)
                all.emplace_back(key, *value);
        }
        if (errno != ENOENT)
            return errno_failure("read", name_, errno);
        return all;
    }

    Fd fd_;
    std::string name_;
    unsigned capacity_ = 0;
};

} // namespace xvtep
