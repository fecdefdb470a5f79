// SPDX-License-Identifier: GPL-2.0-only
// A pinned map whose key and value are those of another layout than bpf/abi/tables.h.
#pragma once

#include <cstddef>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "bpf/abi/tables.h"
#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep {

class RawMap {
  public:
    using Bytes = std::span<const std::byte>;

    static Result<RawMap> open(const std::string &maps, const char *name);

    // Calls `each` with the key and the value of all entries of a hash or an array. Of a per-CPU
    // map the value has those of all CPUs, one after another.
    Result<> for_each(const std::function<Result<>(Bytes key, Bytes value)> &each) const;
    // Returns whether the map has the key, and its value in `value`.
    Result<bool> look_up(const void *key, std::span<std::byte> value) const;

    [[nodiscard]] int fd() const { return fd_.get(); }
    [[nodiscard]] std::size_t value_size() const { return value_size_; } // of all CPUs together

  private:
    RawMap(Fd fd, const char *name, std::size_t key_size, std::size_t value_size)
        : fd_(std::move(fd)), name_(name), key_size_(key_size), value_size_(value_size)
    {
    }
    // One by one: for the kinds of maps that cannot be read in batches.
    Result<> walk(const std::function<Result<>(Bytes key, Bytes value)> &each) const;

    Fd fd_;
    std::string name_;
    std::size_t key_size_, value_size_;
};

// Reads a struct from bytes that have its size.
template <class Value> Value value_of(RawMap::Bytes bytes)
{
    Value value;
    std::memcpy(&value, bytes.data(), std::min(sizeof(value), bytes.size()));
    return value;
}

} // namespace xvtep
