// SPDX-License-Identifier: GPL-2.0-only
// The interface between the agent and the VTEPs of this host.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "user/agent/record.h"
#include "user/base/result.h"
#include "xvtep/fdb.h"
#include "xvtep/neigh.h"
#include "xvtep/vtep.h"

namespace xvtep::agent {

// A table entry to write, or, without `record`, the key whose entry is to be removed.
struct Change {
    Key key;
    std::optional<Record> record;
};

// The tables of a VTEP at one moment.
struct TableCopy {
    std::map<Mac, FdbEntry> fdb;
    std::map<Ip, std::uint64_t> neighbours; // seconds since they were written
};

// Whether the record can be written to the VTEP: its VNI and address family are the same.
inline bool fits(const VtepInfo &vtep, const Record &record)
{
    return vtep.vni == record.vni && (!vtep.local || vtep.local->is_v6() == record.vtep.is_v6());
}

class Host {
  public:
    virtual ~Host() = default;

    virtual std::vector<VtepInfo> vteps() = 0; // those that the agent serves
    virtual bool is_own(const Ip &address) = 0;

    // Writes to every VTEP of the VNI: a record's FDB entry (`dynamic`) and, if it has an IP, its
    // neighbour entry (`reachable`). A static entry is left unchanged, without an error. Returns
    // one result for each change.
    virtual std::vector<Result<>> write(std::span<const Change> changes) = 0;

    // Reads all tables, by device, without those of devices that are renamed meanwhile. A million
    // entries take seconds, in which the event loop goes on.
    virtual void read(std::function<void(Result<std::map<std::string, TableCopy>>)> done) = 0;

    virtual Result<std::vector<FdbEntry>> fdb(const std::string &device) = 0;
    virtual Result<std::vector<NeighEntry>> neighbours(const std::string &device) = 0;
};

} // namespace xvtep::agent
