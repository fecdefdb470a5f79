// SPDX-License-Identifier: GPL-2.0-only
// The results as a table and as indented JSON.
#pragma once

#include <string>

#include "bench/harness.h"

namespace xvtep::bench {

std::string table(const Harness &harness);

// {"machine":{…},"missing":{SYSTEM:why},"cases":[{"name","unit","better","systems":{…},"ratio":{…}}]}
// "missing" where there are such.
std::string json(const Harness &harness);

} // namespace xvtep::bench
