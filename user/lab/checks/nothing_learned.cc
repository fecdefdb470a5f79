// SPDX-License-Identifier: GPL-2.0-only
// "nothing-learned": a VTEP has no learned entry.
#include <fmt/format.h>

#include "user/lab/check.h"

namespace xvtep {

namespace {

class NothingLearned : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
    }

    void run(CheckRun &run) override
    {
        run.report(fmt::format("{} has learned nothing", device_.text()), find(run));
    }

  private:
    Result<std::string> find(CheckRun &run)
    {
        TRY_ASSIGN(const auto lines,
                   run.driver(device_.node).list_fdb(run.node(device_.node), device_.device));
        for (const FdbLine &line : lines)
            if (line.learned)
                return check_failure("fdb",
                                     fmt::format("{} dst {}", line.mac.text(), line.dst.text()));
        return fmt::format("none of {} entries", lines.size());
    }

    LabDevice device_;
};

const CheckType<NothingLearned> nothing_learned_check("nothing-learned");

} // namespace

} // namespace xvtep
