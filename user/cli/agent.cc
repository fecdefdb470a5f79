// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/agent.h"

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
#include "user/agent/files.h"
#include "user/agent/log.h"
#include "user/cli/commands.h"
#include "user/cli/words.h"

namespace xvtep::cli {
namespace {

std::string host_name()
{
    std::array<char, 256> name{};
    ::gethostname(name.data(), name.size() - 1);
    return name.data();
}

// Reads "VNI,MAC[,IP[,VTEP]]".
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

// Removes the files of namespaces that are gone. The kernel does not reuse cookies.
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

// Refuses the words for etcd if the directory is another one.
Result<> check_unused(const Values &values, const EtcdWords &etcd)
{
    for (const auto &[word, text] :
         {std::pair("--lease", &etcd.lease), std::pair("--etcd-cacert", &etcd.cacert),
          std::pair("--etcd-cert", &etcd.cert), std::pair("--etcd-key", &etcd.key),
          std::pair("--etcd-user", &etcd.user),
          std::pair("--etcd-password-file", &etcd.password_file)})
        if (!text->empty())
            return values.wrong(fmt::format("{} is only for etcd:URL", word));
    return {};
}

Result<agent::DirectoryMaker> make_directory(const Values &values, const std::string &text,
                                             const EtcdWords &etcd, const std::string &node)
{
    const auto behind = [&](std::string_view scheme) -> std::optional<std::string> {
        return text.starts_with(scheme) ? std::optional(text.substr(scheme.size())) : std::nullopt;
    };
    if (!text.starts_with("etcd:"))
        TRY(check_unused(values, etcd));
    if (const auto path = behind("file:"); path && !path->empty())
        return [options = agent::FileOptions{*path, node}](agent::Loop &loop,
                                                           agent::Directory::Client &client) {
            return agent::make_file_directory(loop, client, options);
        };
    if (const auto command = behind("exec:"); command && !command->empty())
        return [options = agent::ExecOptions{.command = *command}](
                   agent::Loop &loop,
                   agent::Directory::Client &) -> Result<std::unique_ptr<agent::Directory>> {
            TRY(agent::check_command(options.command));
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

Result<ParsedAgent> parse_agent(const Arguments &arguments)
{
    ParsedAgent parsed;
    auto &options = parsed.options;
    const auto text_of = [&](const char *word) { return arguments.find(word).value_or(""); };
    if (!arguments.has("directory"))
        return usage_failure("agent", "", "no directory given (--directory WHERE)");
    const std::string directory = text_of("directory");
    const std::string node = arguments.find("node").value_or(host_name());
    const std::string log_format = text_of("log"), log_level = text_of("log-level");
    const EtcdWords etcd{.cacert = text_of("etcd-cacert"),
                         .cert = text_of("etcd-cert"),
                         .key = text_of("etcd-key"),
                         .user = text_of("etcd-user"),
                         .password_file = text_of("etcd-password-file"),
                         .lease = text_of("lease")};
    options.withdraw = arguments.has("withdraw");
    options.endpoints.state_file = text_of("state");
    options.metrics = text_of("metrics");

    const Values values{"agent", directory};
    for (const auto &text : arguments.all("vni")) {
        TRY_ASSIGN(const auto vni, values.number("VNI", text, 1, vni_max));
        options.vnis.insert(vni);
    }
    for (const auto &text : arguments.all("endpoint")) {
        TRY_ASSIGN(auto record, parse_endpoint(values, text));
        options.endpoints.given.push_back(record);
    }
    TRY(values.assign(options.endpoints.vtep, "VTEP", text_of("vtep")));
    if (node.empty() || node.find_first_of(" \t\n#") != std::string::npos)
        return values.wrong(fmt::format("\"{}\" is no node's name", node));
    options.announce = !arguments.has("no-announce");
    parsed.default_state = options.endpoints.state_file.empty();
    if (options.endpoints.state_file == "none")
        options.endpoints.state_file.clear();
    if (log_format != "" && log_format != "text" && log_format != "json")
        return values.wrong(fmt::format("log {} is not text or json", log_format));
    if (log_format == "json")
        parsed.log_format = agent::LogFormat::json;
    if (!log_level.empty()) {
        parsed.log_level = spdlog::level::from_str(log_level);
        if (parsed.log_level == spdlog::level::off)
            return values.wrong(fmt::format("log level {} is unknown", log_level));
    }
    TRY_SET(options.directory, make_directory(values, directory, etcd, node));
    if (directory.starts_with("file:") || !options.endpoints.state_file.empty())
        options.foreign_files = agent::ForeignFiles::replaced;
    return parsed;
}

Result<> run_agent(const Context &context, const Words &words)
{
    TRY_ASSIGN(const auto arguments, parse(page("agent"), words));
    TRY_ASSIGN(auto parsed, parse_agent(arguments));
    TRY_ASSIGN(auto scope, context.enter());
    if (scope)
        scope->stay(); // the agent gives up what it would need to go back
    if (parsed.default_state) {
        remove_dead_states();
        TRY_ASSIGN(const auto cookie, current_netns_cookie());
        parsed.options.endpoints.state_file = state_file(cookie);
    } else if (const auto &path = parsed.options.endpoints.state_file;
               parsed.options.announce && !path.empty()) {
        TRY(agent::check_writable(path));
    }
    // The level is off, or the one of `xvtep -v`.
    agent::set_up_log(std::min(parsed.log_level, spdlog::get_level()), parsed.log_format);
    return agent::serve(std::move(parsed.options));
}

} // namespace xvtep::cli
