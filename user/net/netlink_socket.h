// SPDX-License-Identifier: GPL-2.0-only
#pragma once

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

// The kernel's answer to a request it does not carry out.
struct Refusal {
    int code = 0;       // errno
    std::string detail; // the extended acknowledgement's text, where there is one
};

// One rtnetlink request at a time, each waited for until the kernel has acknowledged it.
class NetlinkSocket {
  public:
    using Answer = std::expected<void, Refusal>;
    using Reader = std::function<void(const nlmsghdr &)>;

    static Result<NetlinkSocket> open();

    // `reader` is given each message that comes before the acknowledgement.
    Answer request(Message &message, const Reader &reader = {});

    // Sends all at once, which takes a fraction of the time. The errno of each, or 0; none depends
    // on another.
    std::expected<std::vector<int>, Refusal> request_each(std::span<Message> messages);

    // Reads a whole table; `parse` gives nothing for a line that is not wanted. Starts again
    // where the table changed meanwhile.
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

    // The beginning of a table, until `reader` has had enough and says false. Of no use afterwards:
    // the kernel still has the rest to tell.
    Answer peek(Message &message, const std::function<bool(const nlmsghdr &)> &reader);

  private:
    struct Free {
        void operator()(nl_sock *socket) const;
    };
    explicit NetlinkSocket(std::unique_ptr<nl_sock, Free> socket);

    Answer dump(Message &message, const std::function<void()> &restart, const Reader &reader);
    // True where a dump was whole, false where the table changed under it.
    std::expected<bool, Refusal> exchange(Message &message, const Reader &reader,
                                          const bool *enough = nullptr);
    std::expected<std::size_t, Refusal> receive();

    std::unique_ptr<nl_sock, Free> socket_;
    std::vector<std::uint64_t> buffer_; // words, for the headers' alignment
};

} // namespace xvtep
