// SPDX-License-Identifier: GPL-2.0-only
// "only-talkers": each VTEP of a host with an agent has entries for those containers that its own
// containers talk to, and no other entries.
#include <fmt/format.h>

#include <array>
#include <map>
#include <set>

#include "user/lab/check.h"
#include "user/lab/values.h"
#include "xvtep/neigh.h"

namespace xvtep {

namespace {

class OnlyTalkers : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        json.need("pairs", pairs_, list_of(names.two_containers()));
    }

    void run(CheckRun &run) override
    {
        std::string pairs;
        for (const auto &[one, other] : pairs_)
            pairs += fmt::format("{}{} and {}", pairs.empty() ? "" : ", ", one, other);
        run.report("only who talks has entries: " + pairs, compare(run));
    }

  private:
    Result<std::string> compare(CheckRun &run)
    {
        std::map<std::string, std::set<std::string>> peers = peers_of_hosts(run.lab);
        std::string text;
        for (const auto &[host, vtep] : run.lab.agent_vteps()) {
            TRY_ASSIGN(const std::string counts, compare(run, *host, *vtep, peers[host->name]));
            text += (text.empty() ? "" : ", ") + counts;
        }
        return "FDB entries and neighbours: " + text;
    }

    // For each host, the containers elsewhere that its containers talk to.
    [[nodiscard]] std::map<std::string, std::set<std::string>>
    peers_of_hosts(const LabDescription &lab) const
    {
        std::map<std::string, std::set<std::string>> peers;
        for (const auto &[one, other] : pairs_) {
            const std::string here = lab.host_of(one)->name, there = lab.host_of(other)->name;
            if (here != there) {
                peers[here].insert(other);
                peers[there].insert(one);
            }
        }
        return peers;
    }

    static Result<std::string> compare(CheckRun &run, const LabHost &host, const LabVtep &vtep,
                                       const std::set<std::string> &peers)
    {
        LabNode &node = run.node(host.name);
        std::set<std::pair<Mac, Ip>> wanted, found;
        std::set<Ip> addresses;
        for (const std::string &peer : peers) {
            TRY_ASSIGN(const Mac mac, run.mac_of(LabDevice{peer, run.lab.container(peer)->device}));
            for (const LabVtep &remote : run.lab.host_of(peer)->vteps)
                if (remote.request.vni == vtep.request.vni && remote.request.local)
                    wanted.emplace(mac, *remote.request.local);
            for (const Ip &ip : run.lab.overlay_addresses(peer))
                addresses.insert(ip);
        }
        TRY_ASSIGN(const auto entries, run.driver(host.name).list_fdb(node, vtep.request.name));
        for (const FdbLine &line : entries)
            found.emplace(line.mac, line.dst);
        if (found != wanted)
            return check_failure(host.name + " fdb", fmt::format("{} entries, wanted are {}",
                                                                 found.size(), wanted.size()));
        TRY_ASSIGN(const Netns::Scope scope, node.netns.enter());
        TRY_ASSIGN(const auto neighbours, show_neigh(vtep.request.name));
        for (const NeighEntry &entry : neighbours)
            if (!addresses.contains(entry.ip))
                return check_failure(host.name + " neigh", entry.ip.text() + " is there");
        return fmt::format("{} {} and {}", host.name, found.size(), neighbours.size());
    }

    std::vector<std::array<std::string, 2>> pairs_;
};

const CheckType<OnlyTalkers> only_talkers_check("only-talkers");

} // namespace

} // namespace xvtep
