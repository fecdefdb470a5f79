// SPDX-License-Identifier: GPL-2.0-only
// What the library returns, as JSON. Pure functions. Only output.cc includes this header: the JSON
// library takes long to compile.
#pragma once

#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "xvtep/fdb.h"
#include "xvtep/neigh.h"
#include "xvtep/port.h"
#include "xvtep/remote.h"
#include "xvtep/stats.h"
#include "xvtep/vni.h"
#include "xvtep/vtep.h"

namespace xvtep::cli {

using Json = nlohmann::ordered_json; // keys in the order written

Json to_json(const Problem &problem);
Json to_json(const VtepInfo &vtep);
Json to_json(const PortInfo &port);
Json to_json(const FdbEntry &entry, bool statistics);
Json to_json(const NeighEntry &entry, bool with_device, bool statistics);
Json to_json(const Remote &remote);
Json to_json(const Stats &stats);
Json to_json(const VniRange &range);
Json to_json(const DeviceVnis &device);

std::string document(const Json &json, bool pretty);

// The list as one JSON array.
template <class T, class... Arguments>
Json to_json_list(const std::vector<T> &items, Arguments... arguments)
{
    Json list = Json::array();
    for (const auto &item : items)
        list.push_back(to_json(item, arguments...));
    return list;
}

} // namespace xvtep::cli
