// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/lab_output.h"

#include <fmt/format.h>

namespace xvtep::cli {

Json to_json(const LabVerdict &verdict)
{
    Json json;
    json["passed"] = verdict.passed;
    json["checks"] = Json::array();
    for (const auto &check : verdict.checks)
        json["checks"].push_back(
            {{"what", check.what}, {"passed", check.passed}, {"detail", check.detail}});
    return json;
}

std::string to_text(const LabVerdict &verdict)
{
    std::string text = verdict.picture;
    for (const auto &check : verdict.checks)
        text += fmt::format("{:<5} {}{}{}\n", check.passed ? "ok" : "FAIL", check.what,
                            check.detail.empty() ? "" : ": ", check.detail);
    return text;
}

} // namespace xvtep::cli
