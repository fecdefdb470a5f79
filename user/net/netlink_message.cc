// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/netlink_message.h"

#include <netlink/attr.h>
#include <netlink/msg.h>

#include <new>

namespace xvtep {

namespace {

constexpr std::size_t longest_request = 8192;

} // namespace

Message::Message(std::uint16_t type, int flags) : message_(nlmsg_alloc_size(longest_request))
{
    if (!message_ || !nlmsg_put(message_.get(), NL_AUTO_PORT, NL_AUTO_SEQ, type, 0, flags))
        throw std::bad_alloc();
}

void Message::Free::operator()(nl_msg *message) const
{
    nlmsg_free(message);
}

void Message::append(const void *data, std::size_t size)
{
    // libnl only copies the data, although its parameter is not const.
    if (nlmsg_append(message_.get(), const_cast<void *>(data), size, NLMSG_ALIGNTO) < 0)
        overflown_ = true;
}

void Message::put(int type, const void *data, std::size_t size)
{
    if (nla_put(message_.get(), type, static_cast<int>(size), data) < 0)
        overflown_ = true;
}

void Message::put(int type, const std::string &value)
{
    put(type, value.c_str(), value.size() + 1);
}

nlmsghdr &Message::header()
{
    return *nlmsg_hdr(message_.get());
}

Message::Nest::Nest(Message &message, int type)
    : message_(message), start_(nla_nest_start(message.message_.get(), type))
{
    if (!start_)
        message_.overflown_ = true;
}

Message::Nest::~Nest()
{
    if (start_)
        nla_nest_end(message_.message_.get(), start_);
}

Attributes::Attributes(const nlmsghdr &message, std::size_t header_size, int highest)
{
    const auto header = static_cast<int>(header_size);
    parse(nlmsg_attrdata(&message, header), nlmsg_attrlen(&message, header), highest);
}

Attributes::Attributes(const nlattr *nest, int highest)
{
    if (nest)
        parse(static_cast<const nlattr *>(nla_data(nest)), nla_len(nest), highest);
    else
        found_.resize(static_cast<std::size_t>(highest) + 1);
}

void Attributes::parse(const nlattr *first, int size, int highest)
{
    found_.resize(static_cast<std::size_t>(highest) + 1);
    // It can fail only because of a policy, and there is none.
    nla_parse(found_.data(), highest, const_cast<nlattr *>(first), size, nullptr);
}

bool Attributes::flag(int type) const
{
    return (*this)[type] && (size(type) == 0 || get_or<std::uint8_t>(type, 0) != 0);
}

std::string Attributes::string(int type) const
{
    const char *const text = static_cast<const char *>(data(type));
    return text ? std::string(text, ::strnlen(text, size(type))) : std::string();
}

std::optional<Ip> Attributes::ip(int type) const
{
    if (size(type) != 4 && size(type) != 16)
        return std::nullopt;
    return Ip::from_bytes(data(type), size(type));
}

std::optional<Mac> Attributes::mac(int type) const
{
    return size(type) == sizeof(Mac) ? get<Mac>(type) : std::nullopt;
}

std::size_t Attributes::size(int type) const
{
    const nlattr *const attribute = (*this)[type];
    return attribute ? static_cast<std::size_t>(nla_len(attribute)) : 0;
}

const void *Attributes::data(int type) const
{
    const nlattr *const attribute = (*this)[type];
    return attribute ? nla_data(attribute) : nullptr;
}

} // namespace xvtep
