// SPDX-License-Identifier: GPL-2.0-only
// The VTEPs of this host, as the agent wants them.
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

// A table entry to write, or (no `record`) the one of `key` to remove.
struct Change {
    Key key;
    std::optional<Record> record;
};

// The tables of a VTEP, at some moment.
struct TableCopy {
    std::map<Mac, FdbEntry> fdb;
    std::map<Ip, std::uint64_t> neighbours; // seconds since they were written
};

// Whether the record's VTEP can be reached from there: it is of the same family.
inline bool fits(const VtepInfo &vtep, const Record &record)
{
    return vtep.vni == record.vni && (!vtep.local || vtep.local->is_v6() == record.vtep.is_v6());
}

class Host {
  public:
    virtual ~Host() = default;

    virtual std::vector<VtepInfo> vteps() = 0; // those served
    virtual bool is_own(const Ip &address) = 0;

    // On every VTEP of the VNI: the FDB entry of a record (`dynamic`), and the neighbour
    // (`reachable`) where it has an IP. An entry that a person wrote to stay is left alone, which
    // is no error. One result for each change.
    virtual std::vector<Result<>> write(std::span<const Change> changes) = 0;

    // All tables, by device (but those renamed meanwhile); a million entries take seconds, in which
    // the loop goes on.
    virtual void read(std::function<void(Result<std::map<std::string, TableCopy>>)> done) = 0;

    virtual Result<std::vector<FdbEntry>> fdb(const std::string &device) = 0;
    virtual Result<std::vector<NeighEntry>> neighbours(const std::string &device) = 0;
};

} // namespace xvtep::agent
