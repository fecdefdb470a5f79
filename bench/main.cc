// SPDX-License-Identifier: GPL-2.0-only
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "bench/arguments.h"
#include "bench/harness.h"
#include "bench/plots.h"
#include "bench/report.h"
#include "bench/world.h"

namespace {

using namespace xvtep::bench;

void list(const std::vector<Suite> &all)
{
    for (const auto &suite : all)
        for (const auto &c : suite.cases)
            std::printf("%-32s %-10s %s\n", c.name.c_str(), c.unit.c_str(), c.what.c_str());
}

// The first of `words` that is not among the known ones, or "".
std::string unknown(const std::vector<std::string> &words, const std::vector<std::string> &known)
{
    for (const auto &word : words)
        if (std::ranges::find(known, word) == known.end())
            return word;
    return "";
}

int fail(int status, const std::string &why)
{
    std::fprintf(stderr, "xvtep-bench: %s\n", why.c_str());
    return status;
}

std::vector<std::string> names(const std::vector<Suite> &all)
{
    std::vector<std::string> found;
    for (const auto &suite : all)
        for (const auto &c : suite.cases)
            found.push_back(c.name);
    return found;
}

std::vector<std::string> system_names()
{
    std::vector<std::string> found;
    for (const auto system : named_systems())
        found.emplace_back(name_of(system));
    return found;
}

// The plots of an earlier run.
int draw(const std::string &json_file, const std::string &plots)
{
    if (plots.empty())
        return fail(1, "--draw: needs --plots DIR, for the pictures");
    std::ifstream in(json_file);
    std::stringstream text;
    if (!(text << in.rdbuf()))
        return fail(2, xvtep::errno_failure("read", json_file, errno).error().message());
    if (const auto ready = prepare_plots(plots); !ready)
        return fail(2, ready.error().message());
    if (const auto drawn = draw_plots(text.str(), plots); !drawn)
        return fail(static_cast<int>(drawn.error().kind), drawn.error().message());
    return 0;
}

struct Request {
    Options options;
    std::string json_file, plots;
    std::string drawn_from; // the file of --draw
    bool list = false;
};

// Returns the exit status if the program ends here.
std::optional<int> parse(Request &request, int argc, char **argv)
{
    Options &options = request.options;
    unsigned rounds = 0;
    double seconds = 0;
    const std::array arguments = {
        Argument{"quick", &options.quick, "short rounds and small tables: less than four minutes"},
        Argument{"cases", &options.cases, "measure only these, A,B,... (see --list)"},
        Argument{"systems", &options.systems, "measure only these, A,B,..."},
        Argument{"json", &request.json_file, "write the results to this file"},
        Argument{"plots", &request.plots, "write plots (SVG) into this directory"},
        Argument{"draw", &request.drawn_from,
                 "measure nothing: draw the plots of this file, which --json wrote"},
        Argument{"rounds", &rounds, "the number of rounds of each case and system"},
        Argument{"seconds", &seconds, "the length of a round"},
        Argument{"xvtep", &options.xvtep, "the program to measure"},
        Argument{"scale", &options.scale,
                 "measure how time and memory grow with VTEPs, namespaces and entries"},
        Argument{"before", &options.before, "with --scale: an earlier build to measure beside it"},
        Argument{"before-most", &options.before_most,
                 "the most VTEPs that the earlier build is measured with (512)"},
        Argument{"list", &request.list, "list the cases"},
    };
    if (const auto status = parse_arguments(
            argc, argv, "Measures xvtep beside other systems, in network namespaces, in one run.",
            arguments))
        return status;
    if (options.quick) {
        options.rounds = 3;
        options.seconds = 0.1;
    }
    if (rounds != 0)
        options.rounds = rounds;
    if (seconds > 0)
        options.seconds = seconds;
    if (options.xvtep.empty())
        options.xvtep =
            std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "xvtep";
    options.other_core = ::sysconf(_SC_NPROCESSORS_ONLN) > 1 ? 1 : 0;
    return {};
}

// Without --cases, either the cases of --scale or all others.
bool wants(const Harness &harness, const Suite &suite)
{
    const Options &options = harness.options();
    return options.cases.empty() ? suite.scale_only == options.scale
                                 : harness.wants_any(suite.cases);
}

int measure(const Request &request, const std::vector<Suite> &all)
{
    const std::string &json_file = request.json_file, &plots = request.plots;
    // What would fail at the end is tried now; the results of the last run stay until then.
    if (!json_file.empty() && !std::ofstream(json_file, std::ios::app))
        return fail(2, xvtep::errno_failure("open", json_file, errno).error().message());
    if (!plots.empty())
        if (const auto ready = prepare_plots(plots); !ready)
            return fail(2, ready.error().message());

    stop_on_signals();
    remove_leftovers();
    Harness harness(request.options);
    for (const auto &suite : all)
        if (wants(harness, suite) && !stopping())
            suite.run(harness, suite);

    std::fputs(table(harness).c_str(), stdout);
    const std::string results = json(harness);
    if (!json_file.empty()) {
        std::ofstream out(json_file);
        out << results << "\n";
        if (!out.flush())
            return fail(2, fmt::format("write {}: failed", json_file));
    }
    if (!plots.empty())
        if (const auto drawn = draw_plots(results, plots); !drawn)
            return fail(2, drawn.error().message());
    if (stopping())
        return fail(2, "interrupted");
    return harness.failed() ? 2 : 0;
}

} // namespace

int main(int argc, char **argv)
{
    Request request;
    if (const auto status = parse(request, argc, argv))
        return *status;
    const auto all = suites();
    if (request.list) {
        list(all);
        return 0;
    }
    if (!request.drawn_from.empty())
        return draw(request.drawn_from, request.plots);
    const Options &options = request.options;
    if (const auto word = unknown(options.cases, names(all)); !word.empty())
        return fail(1, fmt::format("--cases {}: no such case", word));
    if (const auto word = unknown(options.systems, system_names()); !word.empty())
        return fail(1, fmt::format("--systems {}: no such system", word));
    if (::geteuid() != 0)
        return fail(2, "needs root, for network namespaces and BPF");
    return measure(request, all);
}

std::vector<Suite> xvtep::bench::suites()
{
    // VNIs last: the kernel takes down thousands of devices long after their namespace has gone.
    return {decap_suite(),      encap_suite(),     ecmp_suite(),       traffic_suite(),
            programs_suite(),   cores_suite(),     entries_suite(),    floods_suite(),
            control_suite(),    vnis_suite(),      vni_device_suite(), vteps_suite(),
            namespaces_suite(), many_vnis_suite(), upgrade_suite()};
}
