// SPDX-License-Identifier: GPL-2.0-only
// VTEPs by the number, as each system makes them: for the cases of --scale.
#pragma once

#include <limits>
#include <string>
#include <vector>

#include "bench/harness.h"

namespace xvtep::bench {

// In a figure's place: the system has nothing of the kind.
constexpr double no_figure = std::numeric_limits<double>::quiet_NaN();

constexpr double mebibyte = 1024.0 * 1024;

// Those of xvtep, the earlier build and the kernel that are wanted and given.
std::vector<System> scale_systems(const Harness &harness);

// The program that makes VTEPs: of xvtep, or of the earlier build. Also what a World needs to
// remove what its namespaces leave.
const std::string &program_of(const Options &options, System system);

Result<double> seconds_of(const std::string &command, int limit);

// A bridge for each VTEP, or none.
enum class Bridges { none, each };

// Makes the VTEPs numbered from .. to-1 of a bare_host(), by one `-batch`: seconds.
// Errors: the program fails, or some are not there afterwards.
Result<double> attach_many(const Options &options, System system, const std::string &host,
                           unsigned from, unsigned to, Bridges bridges);

// Removes them all by one command, with their bridges: seconds.
// Errors: the program fails, or some are there afterwards.
Result<double> detach_all(const Options &options, System system, const std::string &host);

// How many rounds are enough for so many VTEPs: fewer of those that take minutes.
unsigned rounds_for(const Options &options, unsigned count);

} // namespace xvtep::bench
