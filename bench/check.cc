// SPDX-License-Identifier: GPL-2.0-only
#include "bench/check.h"

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

namespace xvtep::bench {

Result<> each_once(System system, const std::vector<Arrival> &arrivals, std::size_t count,
                   const Which &which)
{
    const auto wrong = [&](const std::string &what) {
        return system_failure("check frames of", name_of(system), what);
    };
    std::vector<bool> came(count);
    for (const Arrival &arrival : arrivals) {
        const auto number = which(arrival);
        if (!number)
            return wrong(number.error());
        if (*number >= count)
            return wrong("a frame arrived that was not sent");
        if (came[*number])
            return wrong(fmt::format("frame {} arrived twice", *number));
        came[*number] = true;
    }
    if (arrivals.size() != count)
        return system_failure("check frames of", name_of(system),
                              fmt::format("{} of {} arrived", arrivals.size(), count), EAGAIN);
    return {};
}

Result<> checked(const std::function<Result<>()> &check)
{
    Result<> good = check();
    for (int more = 0; more < 2 && !good && good.error().code == EAGAIN; more++)
        good = check();
    return good;
}

} // namespace xvtep::bench
