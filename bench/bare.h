// SPDX-License-Identifier: GPL-2.0-only
// The system "bare": programs that do nothing but what every tunnel has to (bpf/bare.bpf.c). What
// xvtep is short of it is xvtep's own; what bare is short of a target is the kernel's.
#pragma once

#include "bench/peers.h"

namespace xvtep::bench {

Result<> build_bare(End &end);

// Frames are looked up from then on, among entries for MACs `first` with the last three bytes from
// .. to-1 and those added before.
Result<> add_bare_entries(const End &end, const Mac &first, unsigned from, unsigned to);

} // namespace xvtep::bench
