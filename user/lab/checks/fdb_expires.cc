// SPDX-License-Identifier: GPL-2.0-only
// "fdb-expires": an entry of a VTEP is removed by itself.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "user/lab/check.h"
#include "user/lab/waiting.h"

namespace xvtep {

namespace {

class FdbExpires : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
        mac_ = names.mac(json, "mac");
        json.need("within", within_, number_in(1u, 120u));
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("{} leaves the fdb of {} within {} s", mac_.text(), device_.text(),
                               within_),
                   wait(run));
    }

  private:
    Result<std::string> wait(CheckRun &run)
    {
        TRY_ASSIGN(const Mac mac, run.mac_of(mac_));
        const auto start = std::chrono::steady_clock::now();
        const auto is_gone = [&]() -> Result<bool> {
            TRY_ASSIGN(const auto lines,
                       run.driver(device_.node).list_fdb(run.node(device_.node), device_.device));
            return std::ranges::none_of(lines,
                                        [&](const FdbLine &line) { return line.mac == mac; });
        };
        TRY_ASSIGN(const bool gone, becomes_true(std::chrono::seconds(within_), is_gone));
        if (!gone)
            return check_failure("fdb", "it is there still");
        return fmt::format("after {:.3f} ms", milliseconds_since(start));
    }

    LabDevice device_;
    LabMac mac_;
    unsigned within_ = 0; // seconds
};

const CheckType<FdbExpires> fdb_expires_check("fdb-expires");

} // namespace

} // namespace xvtep
