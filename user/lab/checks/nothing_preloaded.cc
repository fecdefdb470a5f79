// SPDX-License-Identifier: GPL-2.0-only
// "nothing-preloaded": the tables of the VTEPs on hosts with agents are empty. If the lab was
// tested before, they are emptied and the agents started again.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "user/lab/check.h"
#include "user/lab/processes.h"
#include "user/lab/services.h"
#include "xvtep/neigh.h"

namespace xvtep {

namespace {

// Makes the lab as it is after `lab up`.
Result<> start_over(CheckRun &run)
{
    for (const LabHost &host : run.lab.hosts)
        if (host.agent)
            TRY(kill_processes({run.node(host.name).name}, "agent"));
    for (const auto &[host, vtep] : run.lab.agent_vteps()) {
        const VtepDriver &driver = run.driver(host->name);
        TRY(driver.flush_fdb(run.node(host->name), vtep->request.name));
        TRY(driver.flush_neigh(run.node(host->name), vtep->request.name));
    }
    for (const LabHost &host : run.lab.hosts) {
        for (const LabContainer &container : host.containers)
            TRY(run.node(container.name).flush_neighbours(container.device));
        if (host.agent)
            TRY(start_agent(run.state, host, run.node(host.name)));
    }
    return {};
}

class NothingPreloaded : public LabCheck {
  public:
    void read(JsonObject &, const LabNames &) override {}

    void run(CheckRun &run) override
    {
        run.report("nothing is preloaded: the VTEPs' tables are empty", find(run));
    }

  private:
    static Result<std::string> find(CheckRun &run)
    {
        const std::string mark = lab_directory(run.lab.name) + "/tested";
        const bool again = std::filesystem::exists(mark);
        if (again)
            TRY(start_over(run));
        std::ofstream(mark) << "";
        const auto vteps = run.lab.agent_vteps();
        for (const auto &[host, vtep] : vteps)
            TRY(expect_empty(run, host->name, vtep->request.name));
        return fmt::format("{} VTEPs{}", vteps.size(),
                           again ? "; emptied, for this lab was tested before" : "");
    }

    static Result<> expect_empty(CheckRun &run, const std::string &host, const std::string &device)
    {
        LabNode &node = run.node(host);
        TRY_ASSIGN(const auto entries, run.driver(host).list_fdb(node, device));
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY_ASSIGN(const auto neighbours, show_neigh(device));
        if (!entries.empty() || !neighbours.empty())
            return check_failure(
                host + " " + device,
                fmt::format("{} FDB entries, {} neighbours", entries.size(), neighbours.size()));
        return {};
    }
};

const CheckType<NothingPreloaded> nothing_preloaded_check("nothing-preloaded");

} // namespace

} // namespace xvtep
