// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "user/base/result.h"
#include "user/net/netlink_message.h"

struct nl_sock;

namespace xvtep {

// Why the kernel refused a request.
struct Refusal {
    int code = 0;       // errno
    std::string detail; // of the extended acknowledgement; may be empty
};

// Sends requests of rtnetlink, or of another netlink protocol, and waits until the kernel has
// acknowledged each.
class NetlinkSocket {
  public:
    using Answer = std::expected<void, Refusal>;
    using Reader = std::function<void(const nlmsghdr &)>;

    static Result<NetlinkSocket> open(int protocol = NETLINK_ROUTE);

    // Calls `reader` for each message before the acknowledgement.
    Answer request(Message &message, const Reader &reader = {});

    // Sends independent requests, many with one system call, which takes a fraction of the time.
    // Returns the errno of each, or 0.
    std::expected<std::vector<int>, Refusal> request_each(std::span<Message> messages);

    // Reads a whole table, and starts again if the table changed meanwhile. `parse` returns nothing
    // for a line that is not wanted.
    template <class T>
    std::expected<std::vector<T>, Refusal>
    dump(Message &message, const std::function<std::optional<T>(const nlmsghdr &)> &parse)
    {
        std::vector<T> lines;
        const Answer answer = dump(
            message, [&] { lines.clear(); },
            [&](const nlmsghdr &line) {
                if (std::optional<T> parsed = parse(line))
                    lines.push_back(std::move(*parsed));
            });
        if (!answer)
            return std::unexpected(answer.error());
        return lines;
    }

    // Reads a table until `reader` returns false. After that the socket cannot be used, because the
    // kernel goes on sending the rest.
    Answer peek(Message &message, const std::function<bool(const nlmsghdr &)> &reader);

  private:
    struct Free {
        void operator()(nl_sock *socket) const;
    };
    explicit NetlinkSocket(std::unique_ptr<nl_sock, Free> socket);

    Answer dump(Message &message, const std::function<void()> &restart, const Reader &reader);
    // The same as request_each(), with one system call.
    std::expected<std::vector<int>, Refusal> request_some(std::span<Message> messages);
    // Returns false if the table changed during the dump.
    std::expected<bool, Refusal> exchange(Message &message, const Reader &reader,
                                          const bool *enough = nullptr);
    // Sets `lost` where messages may be missing before this one.
    std::expected<std::size_t, Refusal> receive(bool *lost);

    std::unique_ptr<nl_sock, Free> socket_;
    std::vector<std::uint64_t> buffer_; // of words, so that headers are aligned
};

} // namespace xvtep
