// SPDX-License-Identifier: GPL-2.0-only
// The file of a namespace's adopting service, by which other commands find its tables:
// /run/xvtep/adopt/<namespace cookie>. The service holds a lock on it; without that, the file is
// left from one that was killed, and means nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep::adopt {

struct RefusedDevice {
    std::string name;
    std::string reason;
};

// What a service has written.
struct Entry {
    int pid = 0;
    int fd = 0; // of the mount of its bpf file system
    std::vector<RefusedDevice> refused{};

    [[nodiscard]] std::string root() const; // of the bpf file system
};

class Registration {
  public:
    // Errors: EBUSY: another service has it.
    static Result<Registration> take(std::uint64_t cookie);
    Registration(Registration &&) noexcept = default;
    Registration &operator=(Registration &&) = delete;
    ~Registration(); // removes the file

    [[nodiscard]] Result<> write(const Entry &entry) const;

  private:
    Registration(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}
    std::string path_;
    Fd file_;
};

// Returns what the namespace's service has written, or nothing if there is no service.
Result<std::optional<Entry>> find_service(std::uint64_t cookie);

} // namespace xvtep::adopt
