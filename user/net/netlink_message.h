// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <linux/netlink.h>

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "xvtep/ip.h"
#include "xvtep/mac.h"

struct nl_msg;
struct nlattr;

namespace xvtep {

// A request under construction. If an attribute does not fit, sending the request fails.
class Message {
  public:
    // A nested attribute, which ends with the scope of the object.
    class Nest {
      public:
        Nest(Message &message, int type);
        Nest(const Nest &) = delete;
        Nest &operator=(const Nest &) = delete;
        ~Nest();

      private:
        Message &message_;
        nlattr *start_;
    };

    template <class Header>
    Message(std::uint16_t type, int flags, const Header &header) : Message(type, flags)
    {
        append(header);
    }

    template <class Header> void append(const Header &header)
    {
        static_assert(std::is_trivially_copyable_v<Header>);
        append(&header, sizeof(header));
    }
    void put(int type, const void *data, std::size_t size);
    template <class T> void put(int type, const T &value)
    {
        static_assert(std::is_trivially_copyable_v<T>);
        put(type, &value, sizeof(value));
    }
    void put(int type, const std::string &value); // with its terminating zero
    void put(int type, const Ip &value) { put(type, value.bytes(), value.size()); }
    void put(int type, const Mac &value) { put(type, value.octets.data(), value.octets.size()); }
    void put_flag(int type) { put(type, nullptr, 0); }

    [[nodiscard]] bool overflown() const { return overflown_; }
    [[nodiscard]] nlmsghdr &header();

  private:
    Message(std::uint16_t type, int flags);
    void append(const void *data, std::size_t size);

    struct Free {
        void operator()(nl_msg *message) const;
    };
    std::unique_ptr<nl_msg, Free> message_;
    bool overflown_ = false;
};

// The attributes of a received message or of a nested attribute, by type. An attribute that is too
// short for the requested type counts as missing.
class Attributes {
  public:
    Attributes(const nlmsghdr &message, std::size_t header_size, int highest);
    Attributes(const nlattr *nest, int highest); // none where `nest` is null

    const nlattr *operator[](int type) const { return found_[static_cast<std::size_t>(type)]; }
    template <class T> [[nodiscard]] std::optional<T> get(int type) const
    {
        static_assert(std::is_trivially_copyable_v<T>);
        T value;
        if (size(type) < sizeof(value))
            return std::nullopt;
        std::memcpy(&value, data(type), sizeof(value));
        return value;
    }
    template <class T> [[nodiscard]] T get_or(int type, T otherwise) const
    {
        return get<T>(type).value_or(otherwise);
    }
    // A boolean: some exist only if true, others have an octet.
    [[nodiscard]] bool flag(int type) const;
    [[nodiscard]] std::string string(int type) const;
    [[nodiscard]] std::optional<Ip> ip(int type) const;
    [[nodiscard]] std::optional<Mac> mac(int type) const;
    [[nodiscard]] std::size_t size(int type) const; // of the payload
    [[nodiscard]] const void *data(int type) const;

  private:
    void parse(const nlattr *first, int size, int highest);

    std::vector<nlattr *> found_;
};

// Returns the header behind the netlink header, or null if the message is too short for it.
template <class Header> const Header *payload(const nlmsghdr &message)
{
    if (message.nlmsg_len < NLMSG_HDRLEN + sizeof(Header))
        return nullptr;
    return reinterpret_cast<const Header *>(reinterpret_cast<const char *>(&message) +
                                            NLMSG_HDRLEN);
}

} // namespace xvtep
