// SPDX-License-Identifier: GPL-2.0-only
// The compiled BPF programs, which are part of this binary.
#pragma once

#include <memory>

#include "user/base/result.h"

struct bpf_object;

namespace xvtep {

struct BpfObjectCloser {
    void operator()(bpf_object *object) const;
};
using BpfObject = std::unique_ptr<bpf_object, BpfObjectCloser>;

// Opens the object and loads nothing yet. This file's source is the only one of the library that
// includes the skeleton headers, which have 2 MB.
Result<BpfObject> open_bpf_object();
// The same of the programs of `xvtep adopt` (bpf/adopt.bpf.c).
Result<BpfObject> open_adopt_object();
// Makes its maps and loads its programs, but for those that are set not to load.
Result<> load_bpf_object(const BpfObject &object);

} // namespace xvtep
