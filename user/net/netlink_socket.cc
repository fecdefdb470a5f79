// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/netlink_socket.h"

#include <netlink/errno.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/socket.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace xvtep {

namespace {

// The kernel sends dumps in parts of at most 32 KiB. The answer for one link may be longer.
constexpr std::size_t buffer_bytes = std::size_t{256} * 1024;
constexpr int most_dumps = 16;
// The kernel drops the answers that do not fit into the socket's receive buffer (netlink_ack()),
// whose default size has room for 78 of them on Linux 6.18.
constexpr std::size_t most_answers = 32;
constexpr timeval patience = {.tv_sec = 10, .tv_usec = 0};
constexpr int most_tries = 8; // to receive, while the kernel is short of memory

std::string extended_text(const nlattr *first, int size)
{
    const nlattr *const text = nla_find(first, size, NLMSGERR_ATTR_MSG);
    if (!text)
        return {};
    const char *const data = static_cast<const char *>(nla_data(text));
    return std::string(data, ::strnlen(data, static_cast<std::size_t>(nla_len(text))));
}

// An NLMSG_ERROR message contains the error number, the request (only its header, if capped), and
// the extended acknowledgement.
Refusal read_error(const nlmsghdr &header)
{
    const auto *const error = payload<nlmsgerr>(header);
    if (!error)
        return {EBADMSG, {}};
    Refusal refusal{-error->error, {}};
    if (header.nlmsg_flags & NLM_F_ACK_TLVS) {
        std::size_t skip = sizeof(nlmsgerr);
        if (!(header.nlmsg_flags & NLM_F_CAPPED) && error->msg.nlmsg_len > sizeof(nlmsghdr))
            skip += error->msg.nlmsg_len - sizeof(nlmsghdr);
        const int before = static_cast<int>(skip);
        if (nlmsg_attrlen(&header, before) > 0)
            refusal.detail =
                extended_text(nlmsg_attrdata(&header, before), nlmsg_attrlen(&header, before));
    }
    return refusal;
}

// An NLMSG_DONE message ends a dump and contains its error number.
Refusal read_done(const nlmsghdr &header)
{
    const auto *const code = payload<int>(header);
    if (!code || *code >= 0)
        return {};
    Refusal refusal{-*code, {}};
    if ((header.nlmsg_flags & NLM_F_ACK_TLVS) && nlmsg_attrlen(&header, sizeof(*code)) > 0)
        refusal.detail = extended_text(nlmsg_attrdata(&header, sizeof(*code)),
                                       nlmsg_attrlen(&header, sizeof(*code)));
    return refusal;
}

} // namespace

void NetlinkSocket::Free::operator()(nl_sock *socket) const
{
    nl_socket_free(socket);
}

NetlinkSocket::NetlinkSocket(std::unique_ptr<nl_sock, Free> socket)
    : socket_(std::move(socket)), buffer_(buffer_bytes / sizeof(buffer_[0]))
{
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol)
{
    const char *const operation =
        protocol == NETLINK_ROUTE ? "open rtnetlink socket" : "open netlink socket";
    std::unique_ptr<nl_sock, Free> socket(nl_socket_alloc());
    if (!socket)
        return errno_failure(operation, "", ENOMEM);
    errno = 0; // libnl has no code for many errnos
    if (const int error = nl_connect(socket.get(), protocol); error < 0)
        return errno != 0 ? errno_failure(operation, "", errno)
                          : system_failure(operation, "", nl_geterror(error));

    const int fd = nl_socket_get_fd(socket.get());
    if (::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
        return errno_failure(operation, "", errno);
    // Older kernels know neither option; their errors have less detail, and they filter less.
    const int on = 1;
    ::setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
    ::setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
    return NetlinkSocket(std::move(socket));
}

NetlinkSocket::Answer NetlinkSocket::request(Message &message, const Reader &reader)
{
    message.header().nlmsg_flags |= NLM_F_ACK;
    if (auto whole = exchange(message, reader); !whole)
        return std::unexpected(whole.error());
    return {};
}

std::expected<std::vector<int>, Refusal> NetlinkSocket::request_each(std::span<Message> messages)
{
    std::vector<int> errors;
    errors.reserve(messages.size());
    for (std::size_t at = 0; at < messages.size(); at += most_answers) {
        const auto some =
            request_some(messages.subspan(at, std::min(most_answers, messages.size() - at)));
        if (!some)
            return std::unexpected(some.error());
        errors.insert(errors.end(), some->begin(), some->end());
    }
    return errors;
}

std::expected<std::vector<int>, Refusal> NetlinkSocket::request_some(std::span<Message> messages)
{
    std::vector<int> errors(messages.size(), 0);
    std::vector<char> all;
    std::uint32_t first = 0;
    for (std::size_t n = 0; n < messages.size(); n++) {
        if (messages[n].overflown())
            return std::unexpected(Refusal{EMSGSIZE, {}});
        nlmsghdr &header = messages[n].header();
        // The kernel reports every error. The acknowledgement of the last request says that all
        // are done.
        header.nlmsg_flags |= NLM_F_REQUEST;
        if (n + 1 == messages.size())
            header.nlmsg_flags |= NLM_F_ACK;
        header.nlmsg_seq = nl_socket_use_seq(socket_.get());
        header.nlmsg_pid = nl_socket_get_local_port(socket_.get());
        if (n == 0)
            first = header.nlmsg_seq;
        const auto *const bytes = reinterpret_cast<const char *>(&header);
        all.insert(all.end(), bytes, bytes + header.nlmsg_len);
        all.resize(NLMSG_ALIGN(all.size()));
    }
    if (::send(nl_socket_get_fd(socket_.get()), all.data(), all.size(), 0) < 0)
        return std::unexpected(Refusal{errno, {}});
    for (bool lost = false;;) {
        const auto got = receive(&lost);
        if (!got)
            return std::unexpected(got.error());
        int left = static_cast<int>(*got);
        for (auto *part = reinterpret_cast<nlmsghdr *>(buffer_.data()); nlmsg_ok(part, left);
             part = nlmsg_next(part, &left)) {
            const std::size_t n = part->nlmsg_seq - first;
            if (part->nlmsg_type != NLMSG_ERROR || n >= errors.size())
                continue; // the rest of an exchange given up earlier
            errors[n] = read_error(*part).code;
            if (n + 1 == errors.size())
                return errors;
        }
    }
}

NetlinkSocket::Answer NetlinkSocket::dump(Message &message, const std::function<void()> &restart,
                                          const Reader &reader)
{
    message.header().nlmsg_flags |= NLM_F_DUMP;
    for (int i = 0; i < most_dumps; i++) {
        restart();
        const auto whole = exchange(message, reader);
        if (!whole)
            return std::unexpected(whole.error());
        if (*whole)
            return {};
    }
    return std::unexpected(Refusal{EAGAIN, "the table kept changing"});
}

NetlinkSocket::Answer NetlinkSocket::peek(Message &message,
                                          const std::function<bool(const nlmsghdr &)> &reader)
{
    message.header().nlmsg_flags |= NLM_F_DUMP;
    bool enough = false;
    const auto done = exchange(
        message, [&](const nlmsghdr &line) { enough = enough || !reader(line); }, &enough);
    return done ? Answer() : std::unexpected(done.error());
}

std::expected<bool, Refusal> NetlinkSocket::exchange(Message &message, const Reader &reader,
                                                     const bool *enough)
{
    if (message.overflown())
        return std::unexpected(Refusal{EMSGSIZE, {}});
    nlmsghdr &header = message.header();
    header.nlmsg_flags |= NLM_F_REQUEST;
    header.nlmsg_seq = nl_socket_use_seq(socket_.get());
    header.nlmsg_pid = nl_socket_get_local_port(socket_.get());
    if (::send(nl_socket_get_fd(socket_.get()), &header, header.nlmsg_len, 0) < 0)
        return std::unexpected(Refusal{errno, {}});

    for (bool whole = true, lost = false;;) {
        const auto got = receive(&lost);
        if (!got)
            return std::unexpected(got.error());
        whole = whole && !lost;
        int left = static_cast<int>(*got);
        for (auto *part = reinterpret_cast<nlmsghdr *>(buffer_.data()); nlmsg_ok(part, left);
             part = nlmsg_next(part, &left)) {
            if (part->nlmsg_seq != header.nlmsg_seq)
                continue; // the rest of an exchange given up earlier
            if (part->nlmsg_flags & NLM_F_DUMP_INTR)
                whole = false;
            if (part->nlmsg_type == NLMSG_ERROR || part->nlmsg_type == NLMSG_DONE) {
                Refusal end =
                    part->nlmsg_type == NLMSG_ERROR ? read_error(*part) : read_done(*part);
                if (end.code != 0)
                    return std::unexpected(std::move(end));
                return whole;
            }
            if (part->nlmsg_type >= NLMSG_MIN_TYPE && reader)
                reader(*part);
        }
        if (enough != nullptr && *enough)
            return whole;
    }
}

std::expected<std::size_t, Refusal> NetlinkSocket::receive(bool *lost)
{
    for (int tries = 0;; tries++) {
        const ssize_t got = ::recv(nl_socket_get_fd(socket_.get()), buffer_.data(),
                                   buffer_.size() * sizeof(buffer_[0]), MSG_TRUNC);
        if (got < 0 && errno == EINTR)
            continue;
        // What the socket has next is there still. Without it, nobody would know what the kernel
        // has done, and a table that is not read to its end is in the way of the next one (EBUSY).
        if (got < 0 && (errno == ENOMEM || errno == ENOBUFS) && tries < most_tries) {
            *lost = *lost || errno == ENOBUFS;
            continue;
        }
        if (got < 0)
            return std::unexpected(
                Refusal{errno == EAGAIN || errno == EWOULDBLOCK ? ETIMEDOUT : errno, {}});
        const auto size = static_cast<std::size_t>(got);
        if (size > buffer_.size() * sizeof(buffer_[0]))
            return std::unexpected(Refusal{EMSGSIZE, {}});
        return size;
    }
}

} // namespace xvtep
