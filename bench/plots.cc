// SPDX-License-Identifier: GPL-2.0-only
#include "bench/plots.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

#include <fmt/format.h>

#include "bench/entries.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr System peers[] = {System::kernel, System::kernel_external, System::no_tunnel,
                            System::ovs};

// The same in every picture, and told apart by all eyes.
const char *colour(System system)
{
    switch (system) {
    case System::xvtep:
        return "#0072b2";
    case System::kernel:
        return "#d55e00";
    case System::kernel_external:
        return "#e69f00";
    case System::no_tunnel:
        return "#009e73";
    case System::wire:
        return "#777777";
    case System::bare:
        return "#56b4e9";
    case System::ovs:
        return "#cc79a7";
    }
    return "black";
}

Result<> draw(const std::string &file, const std::string &size, const std::string &script)
{
    TRY_ASSIGN(
        const auto commands,
        LineFile::write(fmt::format("set terminal svg size {} font 'sans,12' background 'white'\n"
                                    "set output '{}'\n{}",
                                    size, file, script)));
    TRY(sh("gnuplot " + commands.path()));
    return {};
}

// How much better xvtep is, above 1 always: a bar for each case and peer, up from 1 or down.
Result<> draw_ratios(const Harness &harness, const std::string &directory)
{
    std::string rows;
    unsigned count = 0;
    bool seen[std::size(peers)] = {};
    for (const auto &result : harness.results()) {
        const auto ours = result.rounds.find(System::xvtep);
        if (ours == result.rounds.end() || !harness.wants(result.about.name))
            continue;
        std::string row;
        bool any = false;
        for (std::size_t n = 0; n < std::size(peers); n++) {
            const auto at = result.rounds.find(peers[n]);
            const double mine = median(ours->second);
            const double theirs = at == result.rounds.end() ? 0 : median(at->second);
            const bool shown = mine > 0 && theirs > 0;
            any = any || shown;
            seen[n] = seen[n] || shown;
            const double ratio = result.about.higher ? mine / theirs : theirs / mine;
            row += shown ? fmt::format(" {:.4f}", std::log2(ratio)) : " NaN";
        }
        if (!any)
            continue;
        rows += fmt::format("\"{}\"{}\n", result.about.name, row);
        count++;
    }
    if (count == 0)
        return {};
    std::string plot;
    for (std::size_t n = 0; n < std::size(peers); n++)
        if (seen[n])
            plot += fmt::format("{} $data using {}:xtic(1) title '{}' linecolor rgb '{}'",
                                plot.empty() ? "plot" : ",", n + 2, name_of(peers[n]),
                                colour(peers[n]));
    std::string marks;
    for (int power = -6; power <= 10; power++)
        marks += fmt::format("{}'{}{}' {}", marks.empty() ? "" : ",", power < 0 ? "1/" : "",
                             1 << std::abs(power), power);
    return draw(
        directory + "/ratios.svg", fmt::format("{},640", 160 + 40 * std::max(count, 12U)),
        fmt::format("$data << end\n{}end\n"
                    "set title 'xvtep beside its peers: how many times better (below 1: worse)'\n"
                    "set ylabel 'times better, logarithmic'\nset ytics ({})\n"
                    "set style data histograms\nset style histogram clustered gap 1\n"
                    "set style fill solid border rgb 'white'\n"
                    "set xtics rotate by 50 right noenhanced scale 0\nset grid y\n"
                    "set offsets 0,0,0.3,0.3\nset xzeroaxis linetype -1 linewidth 1.5\n"
                    "set key outside below horizontal center reverse Left\n{}\n",
                    rows, marks, plot));
}

struct Curve {
    std::string file;
    std::string prefix; // of the cases' names, before the number
    std::string title, x;
    bool log_x = true, log_y = false;
};

// "1k", "1M": as short as it is exact.
std::string short_number(unsigned number)
{
    return number >= 1'000'000 && number % 1'000'000 == 0 ? fmt::format("{}M", number / 1'000'000)
           : number >= 1000 && number % 1000 == 0         ? fmt::format("{}k", number / 1000)
                                                          : fmt::format("{}", number);
}

// Figures over the cases' numbers, a line for each system.
Result<> draw_curve(const Harness &harness, const std::string &directory, const Curve &curve)
{
    std::string data, plot;
    std::set<unsigned> counts;
    for (const System system : all_systems()) {
        std::string points;
        for (const auto &result : harness.results()) {
            const std::string &name = result.about.name;
            unsigned count = 0;
            const auto at = result.rounds.find(system);
            if (!name.starts_with(curve.prefix) || at == result.rounds.end() ||
                std::from_chars(name.data() + curve.prefix.size(), name.data() + name.size(), count)
                        .ptr != name.data() + name.size())
                continue;
            counts.insert(count);
            points += fmt::format("{} {} {} {}\n", count, median(at->second),
                                  std::ranges::min(at->second), std::ranges::max(at->second));
        }
        if (points.empty())
            continue;
        std::string block = name_of(system);
        std::ranges::replace(block, '-', '_');
        data += fmt::format("${} << end\n{}end\n", block, points);
        plot += fmt::format("{} ${} using 1:2:3:4 with yerrorlines title '{}' linecolor rgb '{}' "
                            "linewidth 2 pointtype 7 pointsize 0.6",
                            plot.empty() ? "plot" : ",", block, name_of(system), colour(system));
    }
    if (plot.empty())
        return {};
    std::string marks;
    for (const unsigned count : counts)
        marks += fmt::format("{}'{}' {}", marks.empty() ? "" : ",", short_number(count), count);
    const double first = *counts.begin(), last = *counts.rbegin();
    const std::string range = curve.log_x ? fmt::format("[{}:{}]", first / 1.5, last * 1.5)
                                          : fmt::format("[{}:{}]", first - 0.5, last + 0.5);
    return draw(
        fmt::format("{}/{}.svg", directory, curve.file), "800,500",
        fmt::format("{}set title '{} (median, least, most)'\nset xlabel '{}'\n"
                    "set ylabel 'million frames a second{}'\n{}{}set xrange {}\nset xtics ({})\n"
                    "set grid\nset key outside right center reverse Left\n{}\n",
                    data, curve.title, curve.x, curve.log_y ? ", logarithmic" : "",
                    curve.log_x ? "set logscale x\n" : "",
                    curve.log_y ? "set logscale y 2\n" : "set yrange [0:]\n", range, marks, plot));
}

const Curve curves[] = {
    {"cores", "cores-", "64-byte frames into containers: a wire and a container for each core",
     "cores", false, true},
    {"entries", "fdb-", "64-byte frames of a container to MACs at random, each an entry",
     "entries of the forwarding database"},
    {"vnis", "vni-", "64-byte frames of VNIs at random, each to its VTEP", "VNIs"},
    {"flood", "flood-", "Copies of 64-byte broadcasts of a container", "VTEPs that each goes to"},
};

} // namespace

Result<> prepare_plots(const std::string &directory)
{
    if (const auto gnuplot = sh("gnuplot --version"); !gnuplot)
        return system_failure("draw plots in", directory, "gnuplot is not installed", ENOENT);
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
        return errno_failure("create", directory, error.value());
    return {};
}

Result<> draw_plots(const Harness &harness, const std::string &directory)
{
    TRY(draw_ratios(harness, directory));
    for (const Curve &curve : curves)
        TRY(draw_curve(harness, directory, curve));
    return {};
}

} // namespace xvtep::bench
