// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/state_file.h"

#include <cerrno>
#include <filesystem>
#include <optional>

#include <fmt/format.h>

#include "user/agent/files.h"
#include "user/agent/json.h"
#include "xvtep/vtep.h"

namespace xvtep::agent {
namespace {

constexpr std::size_t size_max = 64 << 20;
constexpr std::uint64_t vlan_max = 4095;

std::optional<SavedEndpoint> parse_endpoint(const Json &json)
{
    const auto vlan = json.member("vlan").number(), vni = json.member("vni").number();
    const auto mac = Mac::parse(json.member("mac").text());
    const Json ips = json.member("ips");
    if (!json.member("device").is_string() || !vlan || *vlan > vlan_max || !vni || *vni > vni_max ||
        !mac || !ips.is_array())
        return std::nullopt;
    SavedEndpoint endpoint{json.member("device").text(),
                           static_cast<std::uint16_t>(*vlan),
                           static_cast<std::uint32_t>(*vni),
                           *mac,
                           {}};
    for (const Json &text : ips.elements())
        if (const auto ip = Ip::parse(text.text()))
            endpoint.ips.insert(*ip);
    return endpoint;
}

} // namespace

Result<std::vector<SavedEndpoint>> read_state(const std::string &path)
{
    TRY_ASSIGN(const auto text, read_regular(path, size_max));
    const Json all = Json::parse(text);
    std::vector<SavedEndpoint> endpoints;
    for (const Json &one : all.elements()) {
        auto endpoint = parse_endpoint(one);
        if (!endpoint)
            return system_failure("read", path, "not an agent's endpoints", EBADMSG);
        endpoints.push_back(std::move(*endpoint));
    }
    if (!all.is_array())
        return system_failure("read", path, "not an agent's endpoints", EBADMSG);
    return endpoints;
}

Result<> write_state(const std::string &path, std::span<const SavedEndpoint> endpoints)
{
    std::string text = "[";
    for (const auto &endpoint : endpoints) {
        std::string ips;
        for (const auto &ip : endpoint.ips)
            ips += fmt::format("{}\"{}\"", ips.empty() ? "" : ",", ip.text());
        text += fmt::format("{}\n {{\"device\":{},\"ips\":[{}],\"mac\":\"{}\",\"vlan\":{},"
                            "\"vni\":{}}}",
                            text.size() == 1 ? "" : ",", json_string(endpoint.device), ips,
                            endpoint.mac.text(), endpoint.vlan, endpoint.vni);
    }
    text += endpoints.empty() ? "]\n" : "\n]\n";
    std::error_code error; // replace_file() reports it
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
    return replace_file(path, text);
}

} // namespace xvtep::agent
