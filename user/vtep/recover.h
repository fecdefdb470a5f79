// SPDX-License-Identifier: GPL-2.0-only
// Every command that changes something first repairs what earlier ones have left.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Repairs what a killed command, a removed device or a dead namespace left behind. It leaves
// complete VTEPs and ports alone. If it cannot read the state of something, it fails and removes
// nothing of it.
Result<> recover(Session &session);

} // namespace xvtep
