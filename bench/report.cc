// SPDX-License-Identifier: GPL-2.0-only
#include "bench/report.h"

#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <thread>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace xvtep::bench {
namespace {

// "KEY : VALUE" or KEY=VALUE of a file.
std::string value_in(const std::string &file, const std::string &key, char sign)
{
    std::ifstream in(file);
    for (std::string line; std::getline(in, line);) {
        const auto at = line.find(sign);
        if (!line.starts_with(key) || at == std::string::npos)
            continue;
        std::string value = line.substr(at + 1);
        std::erase(value, '"');
        return value.substr(std::min(value.find_first_not_of(' '), value.size()));
    }
    return "";
}

std::string now()
{
    const std::time_t time = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    char text[32];
    std::strftime(text, sizeof(text), "%FT%TZ", &utc);
    return text;
}

std::string figure(double value)
{
    return value >= 1000 ? fmt::format("{:.0f}", value)
           : value >= 10 ? fmt::format("{:.1f}", value)
                         : fmt::format("{:.3g}", value);
}

} // namespace

std::string json(const Harness &harness)
{
    using Json = nlohmann::ordered_json;
    utsname name{};
    ::uname(&name);
    struct sysinfo info {};
    ::sysinfo(&info);
    const auto &options = harness.options();
    Json document;
    document["machine"] = {
        {"cpu", value_in("/proc/cpuinfo", "model name", ':')},
        {"cores", std::thread::hardware_concurrency()},
        {"memory_bytes", static_cast<std::uint64_t>(info.totalram) * info.mem_unit},
        {"kernel", name.release},
        {"architecture", name.machine},
        {"distribution", value_in("/etc/os-release", "PRETTY_NAME", '=')},
        {"load", static_cast<double>(info.loads[0]) / (1 << SI_LOAD_SHIFT)},
        {"time", now()},
        {"rounds", options.rounds},
        {"seconds", options.seconds},
        {"quick", options.quick},
    };
    for (const auto &[system, why] : harness.left_out())
        document["missing"][name_of(system)] = why;
    document["cases"] = Json::array();
    for (const auto &result : harness.results()) {
        if (!harness.wants(result.about.name))
            continue; // measured for another that is derived from it
        Json one = {{"name", result.about.name},
                    {"unit", result.about.unit},
                    {"better", result.about.higher ? "higher" : "lower"},
                    {"what", result.about.what},
                    {"systems", Json::object()},
                    {"ratio", Json::object()}};
        for (const auto &[system, rounds] : result.rounds)
            if (!rounds.empty())
                one["systems"][name_of(system)] = {{"median", median(rounds)},
                                                   {"min", std::ranges::min(rounds)},
                                                   {"max", std::ranges::max(rounds)},
                                                   {"rounds", rounds}};
        for (const auto &[system, why] : result.failed)
            one["failed"][name_of(system)] = why;
        if (result.rounds.contains(System::xvtep))
            for (const auto &[system, rounds] : result.rounds)
                if (system != System::xvtep && median(rounds) != 0)
                    one["ratio"][name_of(system)] =
                        median(result.rounds.at(System::xvtep)) / median(rounds);
        document["cases"].push_back(one);
    }
    return document.dump(2);
}

std::string table(const Harness &harness)
{
    std::vector<System> systems;
    for (const System system : named_systems())
        if (std::ranges::any_of(harness.results(),
                                [&](const auto &r) { return r.rounds.contains(system); }))
            systems.push_back(system);
    std::string text = fmt::format("{:<32} {:>9}", "median (xvtep / peer)", "unit");
    for (const System system : systems)
        text += fmt::format(" {:>17}", name_of(system));
    text += "\n";
    for (const auto &result : harness.results()) {
        if (!harness.wants(result.about.name))
            continue;
        text += fmt::format("{:<32} {:>9}", result.about.name, result.about.unit);
        const auto ours = result.rounds.find(System::xvtep);
        for (const System system : systems) {
            const auto at = result.rounds.find(system);
            std::string cell = result.failed.contains(system) ? "failed" : "-";
            if (at != result.rounds.end()) {
                cell = figure(median(at->second));
                if (system != System::xvtep && ours != result.rounds.end() &&
                    median(at->second) != 0)
                    cell += fmt::format(" ({:.2f})", median(ours->second) / median(at->second));
            }
            text += fmt::format(" {:>17}", cell);
        }
        text += "\n";
    }
    for (const auto &result : harness.results())
        for (const auto &[system, why] : result.failed)
            text += fmt::format("failed: {} {}: {}\n", result.about.name, name_of(system), why);
    for (const auto &[system, why] : harness.left_out())
        text += fmt::format("{}: {}\n", name_of(system), why);
    return text;
}

} // namespace xvtep::bench
