// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/etcd/keys.h"

#include <charconv>

#include <fmt/format.h>

#include "user/agent/etcd/base64.h"
#include "xvtep/vtep.h"

namespace xvtep::agent {

std::string etcd_vni_prefix(std::string_view prefix, std::uint32_t vni)
{
    return fmt::format("{}/{}/", prefix, vni);
}

std::string etcd_key(std::string_view prefix, const Key &key)
{
    const auto *mac = std::get_if<Mac>(&key.what);
    return fmt::format("{}/{}/{}/{}", prefix, key.vni, mac ? "mac" : "ip",
                       mac ? mac->text() : std::get<Ip>(key.what).text());
}

std::optional<Key> parse_etcd_key(std::string_view prefix, std::string_view text)
{
    constexpr std::size_t longest = 64;
    if (!text.starts_with(prefix) || text.size() > prefix.size() + longest)
        return std::nullopt;
    std::string_view rest = text.substr(prefix.size());
    if (!rest.starts_with('/'))
        return std::nullopt;
    rest.remove_prefix(1);
    Key key;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), key.vni);
    if (error != std::errc{} || key.vni > vni_max)
        return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.starts_with("/mac/")) {
        const auto mac = Mac::parse(rest.substr(5));
        if (!mac)
            return std::nullopt;
        key.what = *mac;
    } else if (rest.starts_with("/ip/")) {
        const auto ip = Ip::parse(rest.substr(4));
        if (!ip)
            return std::nullopt;
        key.what = *ip;
    } else {
        return std::nullopt;
    }
    if (etcd_key(prefix, key) != text)
        return std::nullopt;
    return key;
}

std::string etcd_range_end(std::string prefix)
{
    while (!prefix.empty() && static_cast<unsigned char>(prefix.back()) == 0xff)
        prefix.pop_back();
    if (prefix.empty())
        return std::string(1, '\0'); // all keys
    prefix.back() = static_cast<char>(prefix.back() + 1);
    return prefix;
}

std::uint64_t etcd_number(const Json &json, const char *name)
{
    const Json found = json.member(name);
    if (!found.is_string())
        return found.number().value_or(0);
    const auto &text = found.text();
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    return error == std::errc{} && end == text.data() + text.size() ? number : 0;
}

Result<Record> etcd_record(const Key &key, const Json &kv)
{
    const Json found = kv.member("value");
    const std::string &text = found.text();
    if (text.size() > (record_size_max + 2) / 3 * 4)
        return system_failure("answer for", key.text(),
                              fmt::format("{} bytes are too many", text.size() / 4 * 3));
    const auto value = from_base64(text);
    if (!value)
        return system_failure("answer for", key.text(), "not base64");
    return parse_record(key, *value);
}

} // namespace xvtep::agent
