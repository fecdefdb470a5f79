// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/agent.h"

#include <CLI/CLI.hpp>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "user/agent/etcd/directory.h"
#include "user/agent/exec_directory.h"
#include "user/agent/file_directory.h"
#include "user/agent/log.h"
#include "user/cli/words.h"

namespace xvtep::cli {
namespace {

std::string host_name()
{
    std::array<char, 256> name{};
    ::gethostname(name.data(), name.size() - 1);
    return name.data();
}

// "VNI,MAC[,IP[,VTEP]]"
Result<agent::Record> parse_endpoint(const Values &values, const std::string &text)
{
    std::array<std::string, 4> parts;
    std::size_t count = 0;
    for (std::size_t from = 0; from <= text.size() && count < parts.size(); count++) {
        const auto comma = std::min(text.find(',', from), text.size());
        parts[count] = text.substr(from, comma - from);
        from = comma + 1;
    }
    if (count < 2 || std::ranges::count(text, ',') >= std::ssize(parts))
        return values.wrong(fmt::format("endpoint \"{}\" is not VNI,MAC[,IP[,VTEP]]", text));
    agent::Record record;
    TRY_SET(record.vni, values.number("VNI", parts[0], 1, vni_max));
    TRY_SET(record.mac, values.mac("MAC", parts[1]));
    TRY(values.assign(record.ip, "endpoint's IP", parts[2]));
    std::optional<Ip> vtep;
    TRY(values.assign(vtep, "endpoint's VTEP", parts[3]));
    record.vtep = vtep.value_or(Ip{});
    if (record.mac.is_zero() || record.mac.is_multicast())
        return values.wrong(fmt::format("{} is no endpoint's MAC", record.mac.text()));
    for (const auto &address : {record.ip, vtep})
        if (address && (address->is_any() || address->is_multicast() || address->is_loopback()))
            return values.wrong(fmt::format("endpoint {}: {} is no host's address",
                                            record.mac.text(), address->text()));
    return record;
}

std::string state_file(std::uint64_t cookie)
{
    return fmt::format("/run/xvtep/endpoints-{}.json", cookie);
}

// Of namespaces that are gone: cookies are not used again.
void remove_dead_states()
{
    std::set<std::string> alive;
    for (const auto &netns : Netns::visible())
        if (const auto cookie = netns.cookie())
            alive.insert(state_file(*cookie));
    std::error_code error;
    for (const auto &file : std::filesystem::directory_iterator("/run/xvtep", error))
        if (file.path().filename().string().starts_with("endpoints-") &&
            file.path().extension() == ".json" && !alive.contains(file.path().string()))
            std::filesystem::remove(file.path(), error);
}

struct EtcdWords {
    std::string cacert, cert, key, user, password_file, lease;
};

Result<agent::DirectoryMaker> make_directory(const Values &values, const std::string &text,
                                             const EtcdWords &etcd, const std::string &node)
{
    const auto behind = [&](std::string_view scheme) -> std::optional<std::string> {
        return text.starts_with(scheme) ? std::optional(text.substr(scheme.size())) : std::nullopt;
    };
    if (const auto path = behind("file:"); path && !path->empty())
        return [options = agent::FileOptions{*path, node}](agent::Loop &loop,
                                                           agent::Directory::Client &client) {
            return agent::make_file_directory(loop, client, options);
        };
    if (const auto command = behind("exec:"); command && !command->empty())
        return [options = agent::ExecOptions{.command = *command}](
                   agent::Loop &loop,
                   agent::Directory::Client &) -> Result<std::unique_ptr<agent::Directory>> {
            return agent::make_exec_directory(loop, options);
        };
    const auto url = behind("etcd:");
    if (!url || url->empty())
        return values.wrong("the directory is file:PATH, etcd:URL or exec:COMMAND");
    TRY_ASSIGN(auto options, agent::parse_etcd_url(*url));
    options.cacert = etcd.cacert;
    options.cert = etcd.cert;
    options.key = etcd.key;
    options.user = etcd.user;
    options.node = node;
    if (!etcd.lease.empty()) {
        TRY_ASSIGN(const auto lease, values.number("lease", etcd.lease, 2, 86400));
        options.lease_ttl = std::chrono::seconds(lease);
    }
    if (options.user.empty() != etcd.password_file.empty())
        return values.wrong("--etcd-user and --etcd-password-file go together");
    if (!etcd.password_file.empty())
        TRY_SET(options.password, agent::read_password(etcd.password_file));
    return
        [options, file = etcd.password_file](agent::Loop &loop, agent::Directory::Client &client) {
            if (!file.empty())
                for (const auto &warning : agent::password_warnings(options, file))
                    spdlog::warn("{}", warning);
            return agent::make_etcd_directory(loop, client, options);
        };
}

} // namespace

Result<ParsedAgent> parse_agent(const Words &words, const Context &context)
{
    ParsedAgent parsed;
    auto &options = parsed.options;
    std::string directory, vtep, node = host_name(), log_format, log_level;
    std::vector<std::string> vnis, endpoints;
    EtcdWords etcd;
    bool no_announce = false;

    CLI::App app("Answer the misses of this host's VTEPs from a directory, and announce its own "
                 "endpoints there. Runs until it is stopped.");
    app.add_option("--directory", directory, "file:PATH, etcd:URL[,URL...] or exec:COMMAND")
        ->required();
    app.add_option("--vni", vnis, "serve these VNIs only (default: all)");
    app.add_option("--node", node, "this host's name in the directory (default: the host name)");
    app.add_option("--vtep", vtep,
                   "announce this VTEP address (default: each VTEP's local address)");
    app.add_option("--endpoint", endpoints, "announce VNI,MAC[,IP[,VTEP]] too");
    app.add_flag("--no-announce", no_announce, "announce nothing");
    app.add_flag("--withdraw", options.withdraw,
                 "withdraw what was announced when stopped (default: a restart finds it there)");
    app.add_option("--state", options.endpoints.state_file,
                   "file that keeps what was heard of endpoints for the next run "
                   "(default: in /run/xvtep; none)");
    app.add_option("--metrics", options.metrics,
                   "ADDRESS:PORT that serves /metrics for Prometheus");
    app.add_option("--lease", etcd.lease,
                   "etcd: seconds until a dead host's endpoints vanish (default 60)");
    app.add_option("--etcd-cacert", etcd.cacert, "etcd: file with the servers' CA certificate");
    app.add_option("--etcd-cert", etcd.cert, "etcd: file with the client's certificate");
    app.add_option("--etcd-key", etcd.key, "etcd: file with its key");
    app.add_option("--etcd-user", etcd.user, "etcd: user");
    app.add_option("--etcd-password-file", etcd.password_file, "etcd: file with the password");
    app.add_option("--log", log_format, "text (default) or json, on standard error");
    app.add_option("--log-level", log_level, "debug, info (default), warning or error");
    TRY_SET(parsed.helped, parse_options(app, "agent", words, context));
    if (parsed.helped)
        return parsed;

    const Values values{"agent", directory};
    for (const auto &text : vnis) {
        TRY_ASSIGN(const auto vni, values.number("VNI", text, 1, vni_max));
        options.vnis.insert(vni);
    }
    for (const auto &text : endpoints) {
        TRY_ASSIGN(auto record, parse_endpoint(values, text));
        options.endpoints.given.push_back(record);
    }
    TRY(values.assign(options.endpoints.vtep, "VTEP", vtep));
    if (node.empty() || node.find_first_of(" \t\n#") != std::string::npos)
        return values.wrong(fmt::format("\"{}\" is no node's name", node));
    options.announce = !no_announce;
    parsed.default_state = options.endpoints.state_file.empty();
    if (options.endpoints.state_file == "none")
        options.endpoints.state_file.clear();
    if (log_format != "" && log_format != "text" && log_format != "json")
        return values.wrong(fmt::format("log {} is not text or json", log_format));
    parsed.log_json = log_format == "json";
    if (!log_level.empty()) {
        parsed.log_level = spdlog::level::from_str(log_level);
        if (parsed.log_level == spdlog::level::off)
            return values.wrong(fmt::format("log level {} is unknown", log_level));
    }
    TRY_SET(options.directory, make_directory(values, directory, etcd, node));
    return parsed;
}

Result<> run_agent(const Context &context, const Words &words)
{
    TRY_ASSIGN(auto parsed, parse_agent(words, context));
    if (parsed.helped)
        return {};
    TRY_ASSIGN(const auto scope, context.enter());
    if (parsed.default_state) {
        remove_dead_states();
        TRY_ASSIGN(const auto cookie, current_netns_cookie());
        parsed.options.endpoints.state_file = state_file(cookie);
    }
    // Off, or what `xvtep -v` asked for.
    agent::set_up_log(std::min(parsed.log_level, spdlog::get_level()), parsed.log_json);
    return agent::serve(std::move(parsed.options));
}

} // namespace xvtep::cli
