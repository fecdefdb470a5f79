// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/metrics.h"

#include <algorithm>

#include <fmt/format.h>

namespace xvtep::agent {

void Histogram::add(std::chrono::nanoseconds value)
{
    const double seconds = std::chrono::duration<double>(value).count();
    const auto bucket = std::ranges::lower_bound(bounds, seconds) - bounds.begin();
    counts_[static_cast<std::size_t>(bucket)]++;
    nanoseconds_ += static_cast<std::uint64_t>(std::max<std::int64_t>(value.count(), 0));
}

void Histogram::print(std::string &text, const char *name, const char *help) const
{
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} histogram\n", name, help);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < counts_.size(); i++) {
        sum += counts_[i];
        const auto bound = i < bounds.size() ? fmt::format("{}", bounds[i]) : "+Inf";
        text += fmt::format("{}_bucket{{le=\"{}\"}} {}\n", name, bound, sum);
    }
    text += fmt::format("{0}_sum {1:.9f}\n{0}_count {2}\n", name,
                        static_cast<double>(nanoseconds_) * 1e-9, sum);
}

std::string Metrics::text() const
{
    std::string text;
    const auto family = [&](const char *name, const char *type, const char *help) {
        text += fmt::format("# HELP xvtep_agent_{0} {1}\n# TYPE xvtep_agent_{0} {2}\n", name, help,
                            type);
    };
    const auto value = [&](const char *name, const char *label, const Counter &counter) {
        text += fmt::format("xvtep_agent_{}{} {}\n", name,
                            *label != '\0' ? fmt::format("{{{}}}", label) : "", counter.load());
    };
    const auto one = [&](const char *name, const char *type, const char *help, const Counter &c) {
        family(name, type, help);
        value(name, "", c);
    };
    family("misses_total", "counter", "Misses of the data path.");
    value("misses_total", "kind=\"l2\"", l2misses);
    value("misses_total", "kind=\"l3\"", l3misses);
    family("misses_unasked_total", "counter", "Misses that were not looked up, by reason.");
    value("misses_unasked_total", "reason=\"pending\"", coalesced);
    value("misses_unasked_total", "reason=\"held\"", from_memory);
    value("misses_unasked_total", "reason=\"overload\"", overloaded);
    one("events_lost_total", "counter", "Misses lost because the queue was full.", events_lost);
    one("lookups_total", "counter", "Look-ups in the directory.", lookups);
    family("answers_total", "counter", "Answers of the directory.");
    value("answers_total", "result=\"found\"", found);
    value("answers_total", "result=\"absent\"", absent);
    value("answers_total", "result=\"failed\"", failed);
    value("answers_total", "result=\"refused\"", refused);
    one("changes_total", "counter", "Changes of cached keys that the directory reported.", changes);
    one("resyncs_total", "counter", "Times all cached keys were looked up again.", resyncs);
    one("table_writes_total", "counter", "Records written to the tables.", writes);
    one("table_removals_total", "counter", "Keys removed from the tables.", removals);
    one("table_errors_total", "counter", "Writes and removals that failed.", write_errors);
    one("held", "gauge", "Keys that are cached and in the tables.", cached);
    one("questions", "gauge", "Look-ups that are pending.", pending);
    one("announced", "gauge", "Endpoints of this host in the directory.", announced);
    lookup_time.print(text, "xvtep_agent_lookup_seconds", "From look-up to answer.");
    miss_time.print(text, "xvtep_agent_miss_seconds", "From miss to entry in the tables.");
    return text;
}

} // namespace xvtep::agent
