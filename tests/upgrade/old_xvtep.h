// SPDX-License-Identifier: GPL-2.0-only
// Plays an older xvtep: gives a namespace the data path that it would have made, from the data path
// that this xvtep has made there. README.md says where the programs come from.
#pragma once

#include <linux/types.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/datapath/bpf_object.h"

namespace xvtep {
struct Session;
struct Link;
} // namespace xvtep

namespace xvtep::test {

// The value of what must not fail in a test.
template <class T> T got(Result<T> result)
{
    if (!result)
        throw std::runtime_error(result.error().message());
    return std::move(*result);
}
inline void must_do(const Result<> &result)
{
    if (!result)
        throw std::runtime_error(result.error().message());
}

// How the programs of TC are attached: on Linux before 6.6 as filters of clsact.
enum class TcKind { tcx, clsact };

class OldXvtep {
  public:
    // `layout`: 5 or 10. Loads its programs, with maps of their own.
    OldXvtep(std::string host, unsigned layout);

    // Replaces the data path that this xvtep has made by the old one: the programs of all devices,
    // the maps with what is in them, the pins and what is different in the kernel's devices. The
    // counters start at 0. May be called again after an upgrade.
    void take_over(TcKind kind = TcKind::tcx);

    // Sets the number `at` of the counters in `slot` on CPU 0 to `value`.
    void count(__u32 slot, unsigned at, __u64 value);
    // Puts many static entries into the FDB, as `fdb add` did, with MACs 02:PREFIX:...; they lead
    // to the destination of the entry for `like`.
    void fill(unsigned entries, const std::string &like);

    [[nodiscard]] int map(const char *name) const;
    [[nodiscard]] int program(const char *name) const;
    [[nodiscard]] const std::string &directory() const { return directory_; } // of its pins

  private:
    void fill_layout_10(const Session &session);
    void fill_layout_5(Session &session);
    void fill_entries_of_layout_5(const Session &session);
    void fill_kernel_of_layout_5(Session &session);
    void copy_listeners();
    void attach(Session &session);
    void attach_tc(const Link &link, bool ingress, const char *program);
    void attach_xdp(const Link &link, bool generic, const char *program);
    void pin() const;

    std::string host_, directory_;
    unsigned layout_;
    TcKind kind_ = TcKind::tcx;
    BpfObject object_;
};

} // namespace xvtep::test
