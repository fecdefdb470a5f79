// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/timeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>

#include "user/lab/json_reader.h"
#include "user/lab/services.h"

namespace xvtep {

namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

double milliseconds_of(auto duration)
{
    return std::chrono::duration<double, std::milli>(duration).count();
}

// "2026-01-31T12:00:00.123456Z"
std::optional<system_clock::time_point> parse_time(const std::string &text)
{
    std::tm parts{};
    const char *const rest = ::strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &parts);
    if (!rest)
        return std::nullopt;
    const double fraction = *rest == '.' ? std::strtod(rest, nullptr) : 0;
    return system_clock::from_time_t(::timegm(&parts)) +
           std::chrono::duration_cast<system_clock::duration>(
               std::chrono::duration<double>(fraction));
}

} // namespace

Result<Timeline> Timeline::start(const LabState &state, LabNodes &nodes,
                                 const std::set<std::string> &hosts)
{
    Timeline timeline;
    for (const std::string &name : hosts) {
        TRY_ASSIGN(auto misses, MissLog::start(nodes.at(name)));
        const std::string log = log_path(state, name, "agent");
        std::error_code error;
        const auto size = std::filesystem::file_size(log, error);
        timeline.hosts_.push_back(
            {name, std::move(misses), log, error ? 0 : static_cast<std::streamoff>(size)});
    }
    timeline.steady_ = steady_clock::now();
    timeline.system_ = system_clock::now();
    return timeline;
}

void Timeline::add(steady_clock::time_point when, const std::string &what)
{
    events_.emplace_back(milliseconds_of(when - steady_), what);
}

std::string Timeline::text()
{
    for (const Host &host : hosts_)
        read_log(host);
    for (const Host &host : hosts_)
        for (const LoggedMiss &miss : host.misses->take())
            add_miss(host.name, miss);
    std::ranges::stable_sort(events_, {}, &std::pair<double, std::string>::first);
    std::string lines;
    for (const auto &[time, what] : events_)
        lines += fmt::format("\n      {:9.3f} ms  {}", time, what);
    return lines;
}

// The agent may have heard the miss sooner than this process. Then the agent's time counts.
void Timeline::add_miss(const std::string &host, const LoggedMiss &miss)
{
    double time = milliseconds_of(miss.when - steady_);
    const std::string look_up = " " + miss.text.substr(miss.text.rfind(' ') + 1) + " is looked up";
    for (const auto &[other, text] : events_)
        if (text.starts_with(host + " agent: ") && text.ends_with(look_up))
            time = std::min(time, other);
    const auto at =
        std::ranges::find_if(events_, [&](const auto &event) { return event.first >= time; });
    events_.insert(at, {time, host + " " + miss.text});
}

void Timeline::read_log(const Host &host)
{
    std::ifstream file(host.agent_log);
    file.seekg(host.log_offset);
    std::string line;
    while (std::getline(file, line))
        read_line(host.name, line);
}

void Timeline::read_line(const std::string &host, const std::string &line)
{
    std::string level, message, time;
    const auto read = read_json(line, "read", "log", [&](const JsonValue &value) {
        JsonObject json(value);
        json.need("level", level);
        json.need("message", message);
        json.need("time", time);
    });
    if (!read || level != "debug")
        return;
    if (const auto when = parse_time(time))
        events_.emplace_back(milliseconds_of(*when - system_),
                             fmt::format("{} agent: {}", host, message));
}

} // namespace xvtep
