// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/record.h"

#include <type_traits>

#include <fmt/format.h>

#include "user/agent/json.h"
#include "xvtep/vtep.h"

namespace xvtep::agent {
namespace {

// Bounds the text of a hostile directory that reaches the log.
std::string shortened(std::string text)
{
    constexpr std::size_t most = 60;
    if (text.size() > most) {
        text.resize(most);
        text += "…";
    }
    return text;
}

class Reader {
  public:
    Reader(const Key &key, const Json &json) : key_(key), json_(json) {}

    [[nodiscard]] Failure wrong(const std::string &cause) const
    {
        return system_failure("answer for", key_.text(), cause, EBADMSG);
    }

    // A member that is left out leaves `value` unchanged.
    Result<> number(const char *name, std::uint32_t most, std::uint32_t &value) const
    {
        const auto found = json_.find(name);
        if (!found)
            return {};
        const auto number = found->number();
        if (!number || *number > most)
            return wrong(fmt::format("{} is no number up to {}: {}", name, most, shown(*found)));
        value = static_cast<std::uint32_t>(*number);
        return {};
    }

    template <class Address> Result<> address(const char *name, std::optional<Address> &value) const
    {
        const auto found = json_.find(name);
        if (!found)
            return {};
        value = Address::parse(found->text());
        if (!value)
            return wrong(fmt::format("{} is no address: {}", name, shown(*found)));
        return {};
    }

  private:
    static std::string shown(const Json &json) { return shortened(json.dump()); }

    const Key &key_;
    const Json &json_;
};

bool is_host(const Ip &ip)
{
    return !ip.is_any() && !ip.is_multicast() && !ip.is_loopback() && ip != Ip::v4(0xffffffff);
}

} // namespace

std::string Key::text() const
{
    return std::visit(
        [this](const auto &address) {
            constexpr bool is_mac = std::is_same_v<std::decay_t<decltype(address)>, Mac>;
            return fmt::format("vni {} {} {}", vni, is_mac ? "mac" : "ip", address.text());
        },
        what);
}

Result<Record> parse_record(const Key &key, std::string_view text)
{
    const auto refuse = [&](const std::string &cause) {
        return system_failure("answer for", key.text(), cause, EBADMSG);
    };
    if (text.size() > record_size_max)
        return refuse(fmt::format("{} bytes are too many", text.size()));
    const Json json = Json::parse(text);
    if (!json.is_object())
        return refuse("not a JSON object");

    const Reader reader(key, json);
    std::uint32_t vni = key.vni, port = 0;
    std::optional<Mac> mac;
    std::optional<Ip> ip, vtep;
    TRY(reader.number("vni", vni_max, vni));
    TRY(reader.number("port", 0xffff, port));
    TRY(reader.address("mac", mac));
    TRY(reader.address("ip", ip));
    TRY(reader.address("vtep", vtep));
    if (const auto *asked = std::get_if<Mac>(&key.what); asked != nullptr && !mac)
        mac = *asked;
    if (const auto *asked = std::get_if<Ip>(&key.what); asked != nullptr && !ip)
        ip = *asked;

    if (!vtep)
        return refuse("no vtep");
    if (!mac)
        return refuse("no mac");
    if (vni != key.vni)
        return refuse(fmt::format("it is for VNI {}", vni));
    const Record record{vni, *mac, ip, *vtep, static_cast<std::uint16_t>(port)};
    if (const auto wrong = what_is_wrong(record))
        return refuse(*wrong);
    if (!answers(record, key))
        return refuse(
            fmt::format("it is for mac {}{}", mac->text(), ip ? " ip " + ip->text() : ""));
    return record;
}

std::optional<std::string> what_is_wrong(const Record &record)
{
    if (record.mac.is_zero() || record.mac.is_multicast())
        return record.mac.text() + " is no endpoint's MAC";
    if (!is_host(record.vtep))
        return record.vtep.text() + " is no host's address";
    if (record.ip && !is_host(*record.ip))
        return record.ip->text() + " is no endpoint's address";
    return std::nullopt;
}

std::string to_json(const Record &record)
{
    std::string json = fmt::format(R"({{"vni":{},"mac":"{}")", record.vni, record.mac.text());
    if (record.ip)
        json += fmt::format(R"(,"ip":"{}")", record.ip->text());
    json += fmt::format(R"(,"vtep":"{}")", record.vtep.text());
    if (record.port != 0)
        json += fmt::format(R"(,"port":{})", record.port);
    return json + "}";
}

bool answers(const Record &record, const Key &key)
{
    if (record.vni != key.vni)
        return false;
    if (const auto *mac = std::get_if<Mac>(&key.what))
        return record.mac == *mac;
    return record.ip == std::get<Ip>(key.what);
}

} // namespace xvtep::agent
