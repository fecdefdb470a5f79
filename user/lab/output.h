// SPDX-License-Identifier: GPL-2.0-only
// What `xvtep lab` prints: for people, or one JSON document in one line or indented.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "user/lab/lab.h"

namespace xvtep {

enum class JsonLayout { line, indented };

std::string to_text(const std::vector<LabView> &labs);
std::string to_json(const std::vector<LabView> &labs, JsonLayout layout);

std::string to_text(const LabVerdict &verdict);
std::string to_json(const LabVerdict &verdict, JsonLayout layout);

std::string to_text(const std::vector<std::pair<std::string, std::string>> &list);
std::string to_json(const std::vector<std::pair<std::string, std::string>> &list,
                    JsonLayout layout);

} // namespace xvtep
