// SPDX-License-Identifier: GPL-2.0-only
// The table of commands, and the functions that run them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "user/cli/grammar.h"

namespace xvtep::cli {

// All commands in the order that abbreviations are resolved in, by group.
const std::vector<Page> &commands();

// The page of a command, by its whole name: "fdb add". It must exist.
const Page &page(std::string_view name);

Result<> run_attach(const Context &context, const Arguments &arguments);
Result<> run_detach(const Context &context, const Arguments &arguments);
Result<> run_show(const Context &context, const Arguments &arguments);
Result<> run_set(const Context &context, const Arguments &arguments);
Result<> run_reload(const Context &context, const Arguments &arguments);

Result<> run_port_add(const Context &context, const Arguments &arguments);
Result<> run_port_del(const Context &context, const Arguments &arguments);
Result<> run_port_show(const Context &context, const Arguments &arguments);

Result<> run_fdb_write(const Context &context, const Arguments &arguments); // add, append, replace
Result<> run_fdb_del(const Context &context, const Arguments &arguments);
Result<> run_fdb_show(const Context &context, const Arguments &arguments);
Result<> run_fdb_get(const Context &context, const Arguments &arguments);
Result<> run_fdb_flush(const Context &context, const Arguments &arguments);

Result<> run_neigh_write(const Context &context,
                         const Arguments &arguments); // add, change, replace
Result<> run_neigh_del(const Context &context, const Arguments &arguments);
Result<> run_neigh_show(const Context &context, const Arguments &arguments);
Result<> run_neigh_get(const Context &context, const Arguments &arguments);
Result<> run_neigh_flush(const Context &context, const Arguments &arguments);

Result<> run_remote_add(const Context &context, const Arguments &arguments);
Result<> run_remote_del(const Context &context, const Arguments &arguments);
Result<> run_remote_show(const Context &context, const Arguments &arguments);

Result<> run_vni_add(const Context &context, const Arguments &arguments);
Result<> run_vni_del(const Context &context, const Arguments &arguments);
Result<> run_vni_show(const Context &context, const Arguments &arguments);

Result<> run_monitor(const Context &context, const Arguments &arguments);
Result<> run_stats(const Context &context, const Arguments &arguments);
Result<> run_completion(const Context &context, const Arguments &arguments);

// Programs of their own read their words themselves.
Result<> run_agent(const Context &context, const Words &words);
Result<> run_adopt(const Context &context, const Words &words);
Result<> run_lab(const Context &context, const Words &words);

} // namespace xvtep::cli
