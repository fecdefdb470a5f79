// SPDX-License-Identifier: GPL-2.0-only
// The forwarding database, in `bridge fdb`'s words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <xvtep/ip.h>
#include <xvtep/mac.h>
#include <xvtep/result.h>

namespace xvtep {

enum class FdbState { permanent, fixed /* "static" */, dynamic };

struct FdbEntry {
    Mac mac; // all zeros: the default entry
    std::string device; // the VTEP's
    Ip dst;
    std::uint16_t port = 0;     // 0: the VTEP's own
    std::uint32_t vni = 0;      // to send with; 0: the VTEP's own
    std::string via;            // underlay port, or ""
    bool router = false;
    FdbState state = FdbState::permanent;
    std::uint64_t used = 0, updated = 0; // seconds ago; filled by queries
    bool learned = false; // from packets; filled by queries
};

enum class FdbVerb { add, append, replace };

Result<> write_fdb(FdbVerb verb, const FdbEntry &entry);
// `dst` narrows the removal to one destination of the entry.
Result<> delete_fdb(const Mac &mac, const std::string &device, const std::optional<Ip> &dst);
// Live entries, one per destination; of one VTEP's device, or of all.
Result<std::vector<FdbEntry>> show_fdb(const std::optional<std::string> &device);
Result<std::vector<FdbEntry>> get_fdb(const Mac &mac, const std::string &device);
Result<> flush_fdb(const std::string &device, bool dynamic_only);

} // namespace xvtep
