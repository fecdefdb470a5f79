// SPDX-License-Identifier: GPL-2.0-only
#include "bench/plots.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "bench/entries.h" // LineFile
#include "bench/peers.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

using Json = nlohmann::ordered_json;

// How a system is drawn: the same in every picture, in colours that colour-blind people can tell
// apart.
struct Look {
    System system;
    const char *colour, *title;
};
constexpr Look looks[] = {
    {System::xvtep, "#0072b2", "xvtep"},
    {System::before, "#cc79a7", "xvtep, an earlier build"},
    {System::kernel, "#d55e00", "kernel: vxlan device and bridge"},
    {System::kernel_external, "#e69f00", "kernel: external vxlan device and a TC program"},
    {System::no_tunnel, "#009e73", "no tunnel: bridge alone"},
    {System::ovs, "#cc79a7", "Open vSwitch in user space (AF_XDP)"},
    {System::bare, "#56b4e9", "bare: programs that only add or remove 50 bytes (the limit)"},
    {System::wire, "#777777", "wire: frames that are counted and dropped"},
};

struct Figure {
    double median, min, max;
};

std::optional<Figure> figure(const Json &one, System system)
{
    const auto systems = one.find("systems");
    if (systems == one.end() || !systems->contains(name_of(system)))
        return {};
    const Json &at = systems->at(name_of(system));
    return Figure{at.at("median"), at.at("min"), at.at("max")};
}

const Json *find_case(const Json &document, const std::string &name)
{
    for (const auto &one : document.at("cases"))
        if (one.at("name") == name)
            return &one;
    return nullptr;
}

// A string of gnuplot in double quotes; \n in it begins a line.
std::string quoted(const std::string &text)
{
    std::string out = "\"";
    for (const char c : text) {
        if (c == '\n') {
            out += "\\n";
            continue;
        }
        if (c == '"' || c == '\\')
            out += '\\';
        out += c;
    }
    return out + "\"";
}

// "2 cores of Intel Xeon Processor @ 2.80GHz, Linux 6.18.44, 2026-11-21"
std::string machine_of(const Json &document)
{
    const Json &machine = document.at("machine");
    std::string cpu = machine.at("cpu");
    for (const std::string mark : {"(R)", "(TM)"})
        for (auto at = cpu.find(mark); at != std::string::npos; at = cpu.find(mark))
            cpu.erase(at, mark.size());
    const std::string time = machine.at("time");
    return fmt::format("{} cores of {}, Linux {}, {}{}", machine.at("cores").get<unsigned>(), cpu,
                       machine.at("kernel").get<std::string>(), time.substr(0, 10),
                       machine.value("quick", false) ? ", a quick run" : "");
}

Result<> draw(const std::string &file, const std::string &size, const std::string &script)
{
    TRY_ASSIGN(
        const auto commands,
        LineFile::write(fmt::format("set terminal svg size {} font 'sans,13' background 'white'\n"
                                    "set output '{}'\n{}",
                                    size, file, script)));
    TRY(sh("gnuplot " + commands.path()));
    return {};
}

// "3.97", "15.1", "939": three digits.
std::string three_digits(double value)
{
    return value >= 100  ? fmt::format("{:.0f}", value)
           : value >= 10 ? fmt::format("{:.1f}", value)
                         : fmt::format("{:.2f}", value);
}

// The cases that answer a reader's first questions. The highest bars stand left: the key is right.
struct Group {
    const char *name, *heading;
};
constexpr Group groups[] = {
    {"encap-xdp-64", "out of a container\nXDP, 64 bytes"},
    {"decap-container-64", "into a container\n64 bytes"},
    {"encap-tc-64", "out of a container\nTC, 64 bytes"},
    {"tcp-1-mtu", "one TCP stream\nMTU-sized packets"},
    {"tcp-rr-p50", "round trip\nof one byte"},
};
constexpr System compared[] = {System::xvtep, System::kernel, System::kernel_external,
                               System::no_tunnel, System::ovs};

// Bars in groups, as gnuplot's data: a line "X HEIGHT LABEL" for each bar.
struct Bars {
    std::map<System, std::string> rows;
    std::string headings; // of xtics
    double highest = 0, end = 0;
};

Bars bars_of(const Json &document)
{
    Bars bars;
    for (const Group &group : groups) {
        const Json *one = find_case(document, group.name);
        const auto kernel = one != nullptr ? figure(*one, System::kernel) : std::nullopt;
        if (!kernel || kernel->median <= 0)
            continue;
        const double first = bars.end;
        for (const System system : compared) {
            const auto its = figure(*one, system);
            if (!its || its->median <= 0)
                continue;
            const double height = one->at("better") == "higher" ? its->median / kernel->median
                                                                : kernel->median / its->median;
            bars.rows[system] +=
                fmt::format("{} {:.4f} \"{}\"\n", bars.end, height, three_digits(its->median));
            bars.highest = std::max(bars.highest, height);
            bars.end += 1;
        }
        const std::string unit = one->at("unit");
        bars.headings +=
            fmt::format("{}{} {}", bars.headings.empty() ? "" : ", ",
                        quoted(fmt::format("{}\n{}", group.heading, unit == "us" ? "µs" : unit)),
                        (first + bars.end - 1) / 2);
        bars.end += 1;
    }
    return bars;
}

// A gnuplot data block's name.
std::string block_of(System system)
{
    std::string name = name_of(system);
    std::ranges::replace(name, '-', '_');
    return "$" + name;
}

Result<> draw_ratios(const Json &document, const std::string &directory)
{
    const Bars bars = bars_of(document);
    if (bars.rows.empty())
        return {};
    std::string data, plot;
    for (const Look &look : looks) {
        const auto rows = bars.rows.find(look.system);
        if (rows == bars.rows.end())
            continue;
        const std::string block = block_of(look.system);
        data += fmt::format("{} << end\n{}end\n", block, rows->second);
        plot +=
            fmt::format("{} {} using 1:2 with boxes title {} linecolor rgb '{}', "
                        "{} using 1:2:3 with labels offset 0,0.5 font ',10' notitle",
                        plot.empty() ? "plot" : ",", block, quoted(look.title), look.colour, block);
    }
    const std::string title =
        "How many times better than the kernel's vxlan device (higher is better)\n"
        "The figure at each bar is the measured median\n" +
        machine_of(document);
    return draw(directory + "/ratios.svg", "1000,540",
                fmt::format("{}set title {} noenhanced\n"
                            "set ylabel \"times the kernel's vxlan device\"\n"
                            "set yrange [0:{:.2f}]\nset ytics 1\nset xrange [-0.8:{}]\n"
                            "set xtics ({}) noenhanced scale 0\nset grid y\n"
                            "set style fill solid border rgb 'white'\nset boxwidth 0.95\n"
                            "set arrow from graph 0,first 1 to graph 1,first 1 nohead "
                            "linecolor rgb '#d55e00' dashtype 2\n"
                            "set key inside top right reverse Left noenhanced\n"
                            "set bmargin 5\n{}\n",
                            data, quoted(title), bars.highest * 1.1, bars.end - 1.2, bars.headings,
                            plot));
}

enum class Axis { linear, logarithmic };

// Figures over the number that is in the cases' names.
struct Curve {
    std::string file;
    std::string prefix; // of the cases' names, before the number
    std::string title, x;
    std::vector<System> systems;
    Axis x_axis = Axis::logarithmic;
};

const Curve curves[] = {
    {"cores",
     "cores-",
     "Does the rate grow with the cores? 64-byte frames into containers,\n"
     "a wire and a container for each core, one tunnel end for all",
     "cores",
     {System::xvtep, System::kernel, System::kernel_external, System::no_tunnel},
     Axis::linear},
    {"entries",
     "fdb-",
     "How much does a large forwarding database cost? 64-byte frames\n"
     "of a container to MACs at random, each an entry. The kernel's line ends\n"
     "where it takes minutes to load its entries",
     "entries of the forwarding database",
     {System::xvtep, System::kernel, System::kernel_external, System::bare}},
    {"vnis",
     "vni-",
     "How much do many VNIs cost? 64-byte frames of VNIs at random,\n"
     "each to the device of its VTEP",
     "VNIs",
     {System::xvtep, System::kernel}},
    {"flood",
     "flood-",
     "A broadcast to many VTEPs: copies a second of 64-byte frames.\n"
     "The kernel's device makes the copies for xvtep, too: no gain is expected",
     "VTEPs that each broadcast goes to",
     {System::xvtep, System::kernel}},
};

// "1k", "1M": as short as it is exact.
std::string short_number(unsigned number)
{
    return number >= 1'000'000 && number % 1'000'000 == 0 ? fmt::format("{}M", number / 1'000'000)
           : number >= 1000 && number % 1000 == 0         ? fmt::format("{}k", number / 1000)
                                                          : fmt::format("{}", number);
}

// "4,096".
std::string with_separator(unsigned number)
{
    std::string text = fmt::format("{}", number);
    for (std::size_t at = text.size(); at > 3;)
        text.insert(at -= 3, ",");
    return text;
}

// The number N of a case PREFIXN.
std::optional<unsigned> number_in(const std::string &name, const std::string &prefix)
{
    unsigned number = 0;
    const char *end = name.data() + name.size();
    if (!name.starts_with(prefix) ||
        std::from_chars(name.data() + prefix.size(), end, number).ptr != end)
        return {};
    return number;
}

// "N MEDIAN LEAST MOST" of each case that the system has figures for.
std::map<unsigned, std::string> points_of(const Json &document, const std::string &prefix,
                                          System system)
{
    std::map<unsigned, std::string> points;
    for (const auto &one : document.at("cases")) {
        const auto number = number_in(one.at("name"), prefix);
        const auto its = number ? figure(one, system) : std::nullopt;
        if (its)
            points[*number] =
                fmt::format("{} {} {} {}\n", *number, its->median, its->min, its->max);
    }
    return points;
}

Result<> draw_curve(const Json &document, const std::string &directory, const Curve &curve)
{
    std::string data, plot, marks;
    std::set<unsigned> numbers;
    for (const Look &look : looks) {
        if (std::ranges::find(curve.systems, look.system) == curve.systems.end())
            continue;
        const auto points = points_of(document, curve.prefix, look.system);
        if (points.empty())
            continue;
        const std::string block = block_of(look.system);
        data += block + " << end\n";
        for (const auto &[number, point] : points) {
            numbers.insert(number);
            data += point;
        }
        data += "end\n";
        plot += fmt::format("{} {} using 1:2:3:4 with yerrorlines title {} linecolor rgb '{}' "
                            "linewidth 2 pointtype 7 pointsize 0.6",
                            plot.empty() ? "plot" : ",", block, quoted(look.title), look.colour);
    }
    if (plot.empty())
        return {};
    for (const unsigned number : numbers)
        marks += fmt::format("{}'{}' {}", marks.empty() ? "" : ",", short_number(number), number);
    const double first = *numbers.begin(), last = *numbers.rbegin();
    const bool wide = curve.x_axis == Axis::logarithmic;
    return draw(
        fmt::format("{}/{}.svg", directory, curve.file), "800,580",
        fmt::format("{}set title {} noenhanced\nset xlabel '{}'\n"
                    "set ylabel 'million frames a second: median, least, most'\n"
                    "{}set yrange [0:]\nset xrange [{}:{}]\nset xtics ({})\nset grid\n"
                    "set key outside below vertical left reverse Left noenhanced maxcols 1\n{}\n",
                    data, quoted(curve.title + "\n" + machine_of(document)), curve.x,
                    wide ? "set logscale x\n" : "", wide ? first / 1.5 : first - 0.5,
                    wide ? last * 1.5 : last + 0.5, marks, plot));
}

// One of several charts in a picture: figures over the number that is in the cases' names, both
// axes logarithmic.
struct Panel {
    const char *prefix; // of the cases' names, before the number
    const char *title, *x, *y;
};

struct Sheet {
    const char *file, *title;
    unsigned columns;
    std::vector<Panel> panels;
};

const Sheet sheets[] = {
    {"scale-vteps",
     "How long do commands take with many VTEPs in one namespace?",
     3,
     {{"vteps-attach-", "attach, with a bridge each, by one -batch", "VTEPs", "seconds"},
      {"vteps-detach-", "detach all, with their bridges", "VTEPs", "seconds"},
      {"vteps-reload-", "reload: replace the programs of all", "VTEPs", "seconds"},
      {"vteps-show-", "show", "VTEPs", "seconds"},
      {"vteps-stats-", "stats", "VTEPs", "seconds"},
      {"vteps-fdb-", "fdb show", "VTEPs", "seconds"}}},
    {"scale-memory",
     "How much memory of the kernel do VTEPs take?",
     2,
     {{"vteps-memory-", "one namespace, a bridge for each VTEP", "VTEPs", "MB"},
      {"namespaces-memory-", "a VTEP and a bridge in each namespace", "namespaces", "MB"}}},
    {"scale-namespaces",
     "How long do commands take in many namespaces? One command in each",
     2,
     {{"namespaces-attach-", "attach, with a bridge", "namespaces", "seconds"},
      {"namespaces-detach-", "detach", "namespaces", "seconds"}}},
    {"scale-vnis",
     "One device for many VNIs (the kernel's: external vnifilter)",
     2,
     {{"vnis-attach-", "attach", "VNIs", "seconds"},
      {"vnis-memory-", "memory of the kernel", "VNIs", "MB"}}},
    {"scale-fill",
     "How long does an empty forwarding database take to fill?",
     1,
     {{"fill-", "entries by one -batch", "entries", "seconds"}}},
};

// gnuplot's commands for a panel; "" where there are no figures. Adds the systems it shows.
std::string panel(const Json &document, const Panel &one, unsigned number, std::set<System> &shown)
{
    std::string data, plot, marks;
    std::set<unsigned> numbers;
    for (const Look &look : looks) {
        const auto points = points_of(document, one.prefix, look.system);
        if (points.empty())
            continue;
        shown.insert(look.system);
        const std::string block = fmt::format("{}_{}", block_of(look.system), number);
        data += block + " << end\n";
        for (const auto &[count, point] : points) {
            numbers.insert(count);
            data += point;
        }
        data += "end\n";
        plot += fmt::format("{} {} using 1:2:3:4 with yerrorlines notitle linecolor rgb '{}' "
                            "linewidth 2 pointtype 7 pointsize 0.6",
                            plot.empty() ? "plot" : ",", block, look.colour);
    }
    if (plot.empty())
        return "";
    for (const unsigned count : numbers)
        marks += fmt::format("{}'{}' {}", marks.empty() ? "" : ",", with_separator(count), count);
    return fmt::format("{}set title {} noenhanced\nset xlabel '{}'\nset ylabel '{}'\n"
                       "set xrange [{}:{}]\nset xtics ({})\n{}\n"
                       "unset label\nunset arrow\n", // the legend is drawn once
                       data, quoted(one.title), one.x, one.y, *numbers.begin() / 1.5,
                       *numbers.rbegin() * 1.5, marks, plot);
}

// One legend for all panels, at the bottom of a picture so wide and high (in pixels).
std::string legend(const std::set<System> &shown, unsigned width, unsigned height)
{
    std::string text;
    unsigned x = 30;
    for (const Look &look : looks) {
        if (!shown.contains(look.system))
            continue;
        const double y = 18.0 / height;
        text += fmt::format("set arrow from screen {0},{2} to screen {1},{2} nohead linewidth 3 "
                            "linecolor rgb '{3}'\n"
                            "set label {4} at screen {5},{2} left noenhanced\n",
                            x * 1.0 / width, (x + 30.0) / width, y, look.colour, quoted(look.title),
                            (x + 38.0) / width);
        x += 80 + 8 * static_cast<unsigned>(std::string(look.title).size());
    }
    return text;
}

Result<> draw_sheet(const Json &document, const std::string &directory, const Sheet &sheet)
{
    std::string panels;
    std::set<System> shown;
    unsigned count = 0;
    for (const Panel &one : sheet.panels) {
        const std::string commands = panel(document, one, count, shown);
        panels += commands;
        count += commands.empty() ? 0 : 1;
    }
    if (count == 0)
        return {};
    const unsigned columns = std::min(sheet.columns, count);
    const unsigned rows = (count + columns - 1) / columns;
    // In pixels: above the panels the title, below them the legend.
    const unsigned width = std::max(columns * 410 + 60, 800U), height = rows * 350 + 140;
    const auto share = [](double pixels, unsigned of) { return pixels / of; };
    const std::string title =
        fmt::format("{}\nmedian, least and most of the rounds; lower is better\n{}", sheet.title,
                    machine_of(document));
    return draw(fmt::format("{}/{}.svg", directory, sheet.file),
                fmt::format("{},{}", width, height),
                fmt::format("set logscale xy\nset grid\nset format y '%g'\nunset key\n{}"
                            "set multiplot layout {},{} title {} noenhanced "
                            "margins {},{},{},{} spacing {},{}\n{}unset multiplot\n",
                            legend(shown, width, height), rows, columns, quoted(title),
                            share(95, width), 1 - share(25, width), share(95, height),
                            1 - share(130, height), share(105, width), share(118, height), panels));
}

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

Result<> draw_plots(const std::string &results, const std::string &directory)
try {
    const auto document = Json::parse(results);
    TRY(draw_ratios(document, directory));
    for (const Curve &curve : curves)
        TRY(draw_curve(document, directory, curve));
    for (const Sheet &sheet : sheets)
        TRY(draw_sheet(document, directory, sheet));
    return {};
} catch (const Json::exception &error) {
    return usage_failure("draw plots in", directory, error.what());
}

} // namespace xvtep::bench
