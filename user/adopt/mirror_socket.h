// SPDX-License-Identifier: GPL-2.0-only
// The rtnetlink socket whose filter keeps the mirror (bpf/adopt_mirror.h). What it queues is about
// devices alone.
#pragma once

#include <linux/netlink.h>

#include <functional>

#include "user/base/fd.h"
#include "user/base/result.h"

namespace xvtep::adopt {

class MirrorSocket {
  public:
    // In the calling thread's namespace. The filter comes before the first message.
    static Result<MirrorSocket> open(int filter_fd);

    [[nodiscard]] int fd() const { return socket_.get(); }

    // Calls `each` for the messages that are there. Returns false if messages were lost, after the
    // queue is empty: before that, the kernel would go on losing them.
    [[nodiscard]] Result<bool> drain(const std::function<void(const nlmsghdr &)> &each) const;

  private:
    explicit MirrorSocket(Fd socket) : socket_(std::move(socket)) {}
    Fd socket_;
};

} // namespace xvtep::adopt
