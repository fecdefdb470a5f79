// SPDX-License-Identifier: GPL-2.0-only
// All that libxvtep offers.
#pragma once

#include <xvtep/batch.h>
#include <xvtep/change.h>
#include <xvtep/fdb.h>
#include <xvtep/ip.h>
#include <xvtep/listener.h>
#include <xvtep/mac.h>
#include <xvtep/neigh.h>
#include <xvtep/netns.h>
#include <xvtep/option.h>
#include <xvtep/port.h>
#include <xvtep/remote.h>
#include <xvtep/result.h>
#include <xvtep/stats.h>
#include <xvtep/version.h>
#include <xvtep/vni.h>
#include <xvtep/vtep.h>
