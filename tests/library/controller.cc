// SPDX-License-Identifier: GPL-2.0-only
// A controller as others would write it: against the installed library alone. Arguments: a
// namespace and its underlay port. Says what is not as it should be.
#include <cerrno>
#include <iostream>
#include <string>

#include <xvtep/xvtep.h>

namespace {

int failed(const std::string &what)
{
    std::cerr << what << std::endl;
    return 1;
}

} // namespace

int main(int count, char **words)
{
    using namespace xvtep;
    if (count != 3)
        return failed("usage: controller NETNS DEVICE");
    const auto netns = Netns::open(words[1]);
    if (!netns)
        return failed(netns.error().message());
    const auto scope = netns->enter();
    if (!scope)
        return failed(scope.error().message());

    AttachRequest request;
    request.devices = {words[2]};
    request.vni = 42;
    request.proxy = true;
    const auto vtep = attach(request);
    if (!vtep)
        return failed(vtep.error().message());
    {
        const Batch batch;
        for (unsigned char n = 1; n <= 100; n++) {
            FdbEntry entry;
            entry.mac = Mac{{2, 0, 0, 0, 0, n}};
            entry.device = vtep->name;
            entry.dst = *Ip::parse("192.168.8.102");
            if (const auto done = write_fdb(FdbVerb::add, entry); !done)
                return failed(done.error().message());
        }
    }
    const NeighEntry peer{
        .ip = *Ip::parse("10.20.1.3"), .device = vtep->name, .mac = {{2, 0, 0, 0, 0, 1}}};
    if (const auto done = write_neigh(NeighVerb::add, peer); !done)
        return failed(done.error().message());
    if (const auto again = write_neigh(NeighVerb::add, peer); again || again.error().code != EEXIST)
        return failed("a neighbour could be added twice");

    const auto fdb = show_fdb(vtep->name);
    if (!fdb || fdb->size() != 100 || fdb->back().mac.text() != "02:00:00:00:00:64" ||
        fdb->back().learned)
        return failed("the entries are not what was written");
    if (const auto neigh = get_neigh(peer.ip, vtep->name); !neigh || neigh->mac != peer.mac)
        return failed("the neighbour is not what was written");
    const auto stats = show_stats(vtep->name);
    if (!stats || stats->size() != 1 || stats->front().vni != 42U)
        return failed("no statistics");
    auto misses = MissSource::open(vtep->name);
    MissListener nobody;
    if (!misses || misses->poll(nobody, std::chrono::milliseconds(0)) != 0U)
        return failed("a miss out of nothing");
    if (const auto gone = detach(words[2], 42); !gone || *gone != 1)
        return failed("detach");
    if (const auto end = misses->poll(nobody, std::chrono::seconds(1));
        end || end.error().code != ENODEV)
        return failed("misses go on after detach");
    std::cout << fdb->size() << " entries" << std::endl;
}
