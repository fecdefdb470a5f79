// SPDX-License-Identifier: GPL-2.0-only
#include "bench/scale.h"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "bench/entries.h"
#include "bench/frame.h"
#include "bench/shell.h"

namespace xvtep::bench {
namespace {

constexpr int limit = 1800; // seconds of a command: an earlier build takes minutes

// The kernel's devices are made in their final state by one message each.
std::string line_of(System system, unsigned n, Bridges bridges)
{
    const bool bridged = bridges == Bridges::each;
    if (system == System::kernel)
        return fmt::format("{}link add x{} group 7 up {}type vxlan id {} dev u local {} "
                           "dstport 4789 noudpcsum\n",
                           bridged ? fmt::format("link add b{} group 7 up type bridge\n", n) : "",
                           n, bridged ? fmt::format("master b{} ", n) : "", 1000 + n, here);
    return fmt::format("attach u --vni {} --name x{} --local {}{}\n", 1000 + n, n, here,
                       bridged ? fmt::format(" --bridge b{}", n) : "");
}

Result<> check_count(System system, const std::string &host, unsigned wanted)
{
    TRY_ASSIGN(const auto text, sh(fmt::format("ip -n {} -o link show type vxlan | wc -l", host)));
    unsigned count = 0;
    std::from_chars(text.data(), text.data() + text.size(), count);
    if (count != wanted)
        return system_failure("count VTEPs of", name_of(system),
                              fmt::format("{} are there, {} are wanted", count, wanted));
    return {};
}

} // namespace

std::vector<System> scale_systems(const Harness &harness)
{
    std::vector<System> found;
    for (const System system : {System::xvtep, System::before, System::kernel})
        if (harness.wants(system) &&
            (system != System::before || !harness.options().before.empty()))
            found.push_back(system);
    return found;
}

const std::string &program_of(const Options &options, System system)
{
    return system == System::before ? options.before : options.xvtep;
}

Result<double> seconds_of(const std::string &command, int seconds)
{
    const auto start = std::chrono::steady_clock::now();
    TRY(sh(command, seconds));
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Result<double> attach_many(const Options &options, System system, const std::string &host,
                           unsigned from, unsigned to, Bridges bridges)
{
    std::string text;
    for (unsigned n = from; n < to; n++)
        text += line_of(system, n, bridges);
    TRY_ASSIGN(const auto file, LineFile::write(text));
    const std::string program = system == System::kernel ? "ip" : program_of(options, system);
    TRY_ASSIGN(const double took,
               seconds_of(fmt::format("{} -n {} -batch {}", program, host, file.path()), limit));
    TRY(check_count(system, host, to));
    return took;
}

Result<double> detach_all(const Options &options, System system, const std::string &host)
{
    TRY_ASSIGN(const double took,
               seconds_of(system == System::kernel
                              ? fmt::format("ip -n {} link del group 7", host)
                              : fmt::format("{} -n {} detach u", program_of(options, system), host),
                          limit));
    TRY(check_count(system, host, 0));
    return took;
}

unsigned rounds_for(const Options &options, unsigned count)
{
    return std::min(options.rounds, count <= 64 ? 5U : count <= 512 ? 3U : 1U);
}

} // namespace xvtep::bench
