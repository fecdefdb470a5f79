// SPDX-License-Identifier: GPL-2.0-only
#include "bench/plots.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <fmt/format.h>

#include "bench/entries.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr System peers[] = {System::kernel, System::kernel_external, System::no_tunnel,
                            System::ovs};

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

// How much better xvtep is, above 1 always: a bar for each case and peer.
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
            row += shown
                       ? fmt::format(" {:.4f}", result.about.higher ? mine / theirs : theirs / mine)
                       : " NaN";
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
            plot += fmt::format("{} $data using {}:xtic(1) title '{}'", plot.empty() ? "plot" : ",",
                                n + 2, name_of(peers[n]));
    return draw(
        directory + "/ratios.svg", fmt::format("{},600", 200 + 40 * count),
        fmt::format(
            "$data << end\n{}end\nset title 'xvtep beside its peers: how many times better'\n"
            "set style data histograms\nset style fill solid\nset xtics rotate by -55 noenhanced\n"
            "set logscale y 2\nset grid y\nset key outside top\nset arrow from graph 0,first 1 to "
            "graph 1,first 1 nohead\n{}\n",
            rows, plot));
}

// Cases named PREFIX and a number: figures over that number, a line for each system.
Result<> draw_curve(const Harness &harness, const std::string &file, const std::string &prefix,
                    const std::string &title, const std::string &x)
{
    std::string data, plot;
    for (const System system : all_systems()) {
        std::string points;
        for (const auto &result : harness.results()) {
            const std::string &name = result.about.name;
            unsigned count = 0;
            const auto at = result.rounds.find(system);
            if (!name.starts_with(prefix) || at == result.rounds.end() ||
                std::from_chars(name.data() + prefix.size(), name.data() + name.size(), count)
                        .ptr != name.data() + name.size())
                continue;
            points += fmt::format("{} {} {} {}\n", count, median(at->second),
                                  std::ranges::min(at->second), std::ranges::max(at->second));
        }
        if (points.empty())
            continue;
        std::string block = name_of(system);
        std::ranges::replace(block, '-', '_');
        data += fmt::format("${} << end\n{}end\n", block, points);
        plot += fmt::format("{} ${} using 1:2:3:4 with yerrorlines title '{}'",
                            plot.empty() ? "plot" : ",", block, name_of(system));
    }
    if (plot.empty())
        return {};
    return draw(file, "800,500",
                fmt::format("{}set title '{}'\nset xlabel '{}'\nset ylabel 'Mpps'\nset logscale "
                            "x\nset yrange [0:]\nset grid\n{}\n",
                            data, title, x, plot));
}

} // namespace

Result<> draw_plots(const Harness &harness, const std::string &directory)
{
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
        return errno_failure("create", directory, error.value());
    TRY(draw_ratios(harness, directory));
    TRY(draw_curve(harness, directory + "/entries.svg", "fdb-",
                   "64-byte frames to MACs at random, each an entry", "entries"));
    TRY(draw_curve(harness, directory + "/vnis.svg", "vni-", "64-byte frames of VNIs at random",
                   "VNIs"));
    TRY(draw_curve(harness, directory + "/cores.svg", "cores-",
                   "64-byte frames into containers, a wire and a container for each core",
                   "cores"));
    return draw_curve(harness, directory + "/flood.svg", "flood-", "Copies of 64-byte broadcasts",
                      "VTEPs");
}

} // namespace xvtep::bench
