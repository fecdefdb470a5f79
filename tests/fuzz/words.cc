// SPDX-License-Identifier: GPL-2.0-only
// Words of the command line, and lines of batches. Nothing is run.
#include <sstream>

#include <fmt/format.h>

#include "tests/fuzz/target.h"
#include "user/cli/attach.h"
#include "user/cli/batch.h"
#include "user/cli/batch_fdb.h"
#include "user/cli/commands.h"
#include "user/cli/fdb.h"
#include "user/cli/globals.h"
#include "user/cli/grammar.h"
#include "user/cli/neigh.h"
#include "user/cli/remote.h"
#include "user/cli/vni.h"
#include "xvtep/vtep.h"

namespace xvtep::fuzz {
namespace {

using namespace xvtep::cli;

// Whatever the words are, an error is something to print, and of the user's making.
template <class T> void check_error(const Result<T> &result)
{
    check(result || !result.error().message().empty(), "an error has a text");
    check(result || result.error().kind == ErrorKind::usage, "wrong words are a wrong usage");
}

void read_arguments(const Page &page, const Arguments &arguments)
{
    if (page.name == "attach") {
        const auto request = parse_attach(arguments);
        check_error(request);
        if (request)
            check_error(validate(*request));
    }
    const std::string &name = page.name;
    if (name == "fdb add" || name == "fdb append" || name == "fdb replace")
        check_error(parse_fdb_entry(arguments));
    if (name == "fdb show" || name == "fdb flush")
        check_error(parse_fdb_filter(arguments));
    if (name == "neigh add" || name == "neigh change" || name == "neigh replace")
        check_error(parse_neigh_entry(arguments));
    if (name == "remote add" || name == "remote del")
        check_error(parse_remote(arguments));
    if (name == "vni add" || name == "vni del" ||
        (name == "attach" && asks_for_many_vnis(arguments)))
        check_error(parse_vnis(arguments));
}

void read_words(const Words &words)
{
    Context context;
    const auto all = take_output_options(context, words);
    check_error(all);
    if (!all || all->empty())
        return;
    std::size_t used = 1;
    const Page *page = find_page(commands(), all->front());
    if (page != nullptr && !page->pages.empty() && all->size() > 1) {
        page = find_page(page->pages, (*all)[1]);
        used = 2;
    }
    if (page == nullptr) {
        (void)nearest(all->front(), {"attach", "detach", "fdb"});
        return;
    }
    const Words rest(all->begin() + static_cast<std::ptrdiff_t>(used), all->end());
    (void)asks_for_help(*page, rest);
    const auto arguments = parse(*page, rest);
    check_error(arguments);
    if (arguments)
        read_arguments(*page, *arguments);
}

void run_batch_lines(std::string_view input)
{
    std::istringstream in{std::string(input)};
    unsigned line = 0;
    for (;;) {
        const unsigned before = line;
        const auto words = read_batch_line(in, line);
        if (!words || !*words)
            return;
        check(line > before, "lines are counted");
        read_words(**words);
    }
}

// What the fast parser of batches takes, it takes as the general one does.
void run_fdb_line(std::string_view input)
{
    const auto line = input.substr(0, input.find('\n'));
    const auto fast = parse_fdb_line(line);
    if (!fast)
        return;
    std::istringstream in{std::string(line)};
    unsigned number = 0;
    const auto words = read_batch_line(in, number);
    check(words && *words && (*words)->size() > 2, "the general parser finds words");
    const Page *const page = find_page(find_page(commands(), "fdb")->pages, (**words)[1]);
    const auto arguments = parse(*page, Words((*words)->begin() + 2, (*words)->end()));
    check(arguments.has_value(), "the general parser takes the line");
    const auto entry = parse_fdb_entry(*arguments);
    check(entry.has_value(), "the general parser takes the entry");
    const FdbEntry &one = fast->second;
    check(one.mac == entry->mac && one.device == entry->device && one.dst == entry->dst &&
              one.port == entry->port && one.vni == entry->vni && one.via == entry->via &&
              one.router == entry->router && one.state == entry->state &&
              one.src_vni == entry->src_vni,
          "both parsers find the same entry");
}

// Words separated by line ends, as execve() hands them over.
void run_command_line(std::string_view input)
{
    std::vector<std::string> words{"xvtep"};
    std::istringstream in{std::string(input.substr(0, input.find('\0')))};
    for (std::string word; std::getline(in, word);)
        words.push_back(word);
    std::vector<const char *> arguments;
    for (const auto &word : words)
        arguments.push_back(word.c_str());
    const auto globals = split(arguments, stdout);
    check_error(globals);
    if (globals)
        read_words(globals->rest);
}

void run_values(std::string_view input)
{
    if (const auto ip = Ip::parse(input))
        check(Ip::parse(ip->text()) == ip, "an address is read as it is written");
    if (const auto mac = Mac::parse(input))
        check(Mac::parse(mac->text()) == mac, "a MAC is read as it is written");
    if (const auto prefix = Prefix::parse(input))
        check(Prefix::parse(prefix->text()) == prefix, "a prefix is read as it is written");
    if (const auto mode = parse_mode(input))
        check(input == mode_name(*mode), "a mode is read as it is written");
}

std::vector<std::string> batch_seeds()
{
    return {
        "# comment\nattach eth0 --vni 42 --name vxlan0 --remote 192.168.8.101 --bridge br0\n",
        "fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.168.8.101 port 4790 vni 7 via eth0 router "
        "static\nfdb append 0:0:0:0:0:0 dev vxlan0 dst ff0e::1\n",
        "neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev vxlan0 nud reachable\n"
        "neigh del fd00::1 dev vxlan0 vni 7\n",
        "remote add 192.168.8.6 dev vxlan0 vni 9\nremote show\n",
        "vni add dev many vni 2001-2005,3000 vlan 101-105 remote 10.0.0.1\nvni del dev m vni 5\n",
        "attach eth0 eth1 id 42 local any srcport 1 2 ttl inherit tos 0x10 df set flowlabel 5 \\\n"
        " noudpcsum udp6zerocsumtx gbp reserved-bits 0xff ageing 0 hard-ageing 1 accept known "
        "proxy rsc l2miss l3miss mac 02:00:00:00:00:01 mtu 1400 mode xdp\n",
        "fdb flush dev 'a b' dynamic \"c\\\"d\" # x\n-j show\nport add p vni 9 vlan 7\n",
        "attach e vni 1001-5000 vlan 1-4000 dstport 4790\nfdb add 2:0:0:0:0:1 dev m src_vni 9 dst "
        "::1\n"};
}

} // namespace

std::vector<Target> word_targets()
{
    return {{"batch", run_batch_lines, batch_seeds},
            {"fdb_line", run_fdb_line,
             [] {
                 return std::vector<std::string>{
                     "fdb add 02:00:00:00:00:01 dev vxlan0 dst 192.168.8.101",
                     "fdb replace 0:0:0:0:0:1 dev vxlan0 dst fd00::1 src_vni 7 dynamic self",
                     "fdb add 02:00:00:00:00:01 dst 192.168.8.101 dev v static"};
             }},
            {"command_line", run_command_line,
             [] {
                 return std::vector<std::string>{"-n\nns\n-j\nshow\n-d\n", "-batch\nfile\n-force",
                                                 "-br\nfdb\nshow\ndev\nv\nvni\n7\nstate\nstatic"};
             }},
            {"values", run_values, [] {
                 return std::vector<std::string>{"192.168.8.101/24", "fd00::1:2%eth0",
                                                 "02:00:00:00:00:01", "auto", "::ffff:1.2.3.4/96"};
             }}};
}

} // namespace xvtep::fuzz
