// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/vtep_options.h"

#include "user/lab/values.h"
#include "xvtep/option.h"

namespace xvtep {

void read_vtep_options(JsonObject &json, AttachRequest &request)
{
    json.need("vni", request.vni, read_vni);
    json.need("devices", request.devices, list_of(read_ifname));
    if (request.devices.empty())
        json.refuse("\"devices\" is empty");
    for (const AttachOption &option : attach_options()) {
        if (option.field == OptionField(&AttachRequest::devices))
            continue; // read above, by another key
        if (const std::optional<JsonValue> value = json.find(option_key(option)))
            if (const auto done = set_option(request, option, value->option_value()); !done)
                value->refuse(done.error());
    }
    if (request.name.empty())
        request.name = "xvtep" + std::to_string(request.vni);
}

VxlanOptions kernel_options(const AttachRequest &request, int lower)
{
    VxlanOptions options{request};
    options.lower = lower;
    options.reserved_bits = std::nullopt; // the kernel's device has it since Linux 6.14
    return options;
}

} // namespace xvtep
