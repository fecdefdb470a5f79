// SPDX-License-Identifier: GPL-2.0-only
// The results as a table and as JSON.
#pragma once

#include <string>

#include <nlohmann/json.hpp>

#include "bench/harness.h"

namespace xvtep::bench {

std::string table(const Harness &harness);

// {"machine":{…},"missing":{SYSTEM:why},"cases":[{"name","unit","better","systems":{…},"ratio":{…}}]}
// "missing" where there are such.
nlohmann::ordered_json json(const Harness &harness);

} // namespace xvtep::bench
