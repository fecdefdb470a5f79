// SPDX-License-Identifier: GPL-2.0-only
// "ageing": the times after which a VTEP's entries age out.
#include <fmt/format.h>

#include "user/lab/check.h"

namespace xvtep {

namespace {

class AgeingCheck : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("device", device_, names.vtep());
        json.take("ageing", ageing_);
        json.take("hard_ageing", hard_ageing_);
        if (!ageing_ && !hard_ageing_)
            json.refuse("needs \"ageing\" or \"hard_ageing\"");
    }

    void run(CheckRun &run) override
    {
        std::string what = fmt::format("entries of {} age", device_.text());
        if (ageing_)
            what += fmt::format(", {} s unheard", *ageing_);
        if (hard_ageing_)
            what += fmt::format(", {} s in all", *hard_ageing_);
        run.report(what, compare(run));
    }

  private:
    Result<std::string> compare(CheckRun &run)
    {
        TRY_ASSIGN(const Ageing found,
                   run.driver(device_.node).ageing(run.node(device_.node), device_.device));
        const std::string text =
            fmt::format("ageing {} hard_ageing {}", found.ageing, found.hard_ageing.value_or(0));
        const bool soft = !ageing_ || *ageing_ == found.ageing;
        const bool hard = !hard_ageing_ || !found.hard_ageing || hard_ageing_ == found.hard_ageing;
        if (!soft || !hard)
            return check_failure("ageing", text);
        return text;
    }

    LabDevice device_;
    std::optional<std::uint32_t> ageing_, hard_ageing_; // seconds
};

const CheckType<AgeingCheck> ageing_check("ageing");

} // namespace

} // namespace xvtep
