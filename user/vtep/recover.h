// SPDX-License-Identifier: GPL-2.0-only
// What every command that changes something does first.
#pragma once

#include "user/vtep/session.h"

namespace xvtep {

// Puts right what a killed command, a removed device or a dead namespace left behind. What is
// whole is not touched, and nothing is removed where it could not be looked at: then it fails.
Result<> recover(Session &session);

} // namespace xvtep
