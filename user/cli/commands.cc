// SPDX-License-Identifier: GPL-2.0-only
#include "user/cli/commands.h"

#include <algorithm>
#include <cstdlib>

#include "xvtep/option.h"

namespace xvtep::cli {
namespace {

const Word dev{.word = "dev", .value = "IFNAME", .help = "The VTEP's device."};
const Word needed_dev{
    .word = "dev", .value = "IFNAME", .help = "The VTEP's device.", .required = true};
const Word self{
    .word = "self", .help = "Accepted as in bridge(8), without an effect.", .ignored = true};

Word word_of(const AttachOption &option)
{
    const std::string range =
        option.highest == 0 || option.highest >= 0xffffffff
            ? ""
            : " " + std::to_string(option.lowest) + " to " + std::to_string(option.highest) + ".";
    return {.word = option.word,
            .alias = option.alias,
            .value = option.value,
            .help = option.help + range,
            .initial = option.initial,
            .group = option_group_title(option.group),
            .negatable = option_arity(option) == 0};
}

std::vector<Word> attach_words()
{
    std::vector<Word> words;
    for (const AttachOption &option : attach_options()) {
        words.push_back(word_of(option));
        words.back().required = words.back().repeats =
            option.field == OptionField(&AttachRequest::vni);
        words.back().is_plain = option.field == OptionField(&AttachRequest::devices);
        if (option.field == OptionField(&AttachRequest::vni)) {
            words.back().value = "N[-M]";
            words.push_back({.word = "vlan",
                             .value = "V[-W]",
                             .help = "One device with many VNIs: a frame's VLAN on it says its "
                                     "VNI. One vlan for each vni; both may be repeated.",
                             .group = option_group_title(option.group),
                             .repeats = true});
        }
    }
    for (const RefusedOption &refused : refused_options())
        words.push_back({.word = refused.word, .refusal = refused.reason, .negatable = true});
    words.push_back({.word = "localbypass", .ignored = true});
    words.push_back({.word = "nolocalbypass",
                     .refusal = "packets to a VTEP of the same host are always delivered to it "
                                "directly"});
    words.push_back({.word = "type", .value = "vxlan", .ignored = true});
    return words;
}

const Word &attach_word(std::string_view word)
{
    static const std::vector<Word> words = attach_words();
    return *std::ranges::find(words, word, &Word::word);
}

Page attach_page()
{
    return {
        .name = "attach",
        .summary = "Make a VTEP: a device for a VNI over underlay ports.",
        .about = "Words may stand with or without \"--\" and in any order, as in "
                 "\"ip link add IFNAME type vxlan\". The device is up at once. Without DEV, the "
                 "underlay ports are those that routes lead to; this needs remote or local.",
        .plain = "[DEV ...]",
        .most_plain = 64,
        .style = Style::device,
        .words = attach_words(),
        .examples = {"xvtep attach eth0 vni 42 name vxlan0 remote 192.168.8.101",
                     "xvtep attach eth0 vni 42 group 239.1.1.1 bridge br0",
                     "xvtep attach eth0 eth1 id 42 local 10.0.0.1 nolearning proxy l2miss l3miss",
                     "xvtep attach eth0 vni 1001-5094 vlan 1-4094 name vxlan0 bridge br0"},
        .group = "VTEPs",
        .run = run_attach,
    };
}

Page detach_page()
{
    return {
        .name = "detach",
        .summary = "Remove the VTEPs of an underlay port, or one VTEP.",
        .plain = "[dev] DEV",
        .most_plain = 1,
        .style = Style::device,
        .words = {{.word = "dev",
                   .value = "DEV",
                   .help = "Underlay port or VTEP device, also one "
                           "that is gone."},
                  {.word = "vni", .alias = "id", .value = "N", .help = "Only this VNI."},
                  {.word = "force",
                   .help = "Without DEV: remove all that xvtep has in the "
                           "namespace, whatever the state of its tables."}},
        .examples = {"xvtep detach vxlan0", "xvtep detach eth0 vni 42", "xvtep detach --force"},
        .group = "VTEPs",
        .run = run_detach,
    };
}

Page show_page()
{
    return {
        .name = "show",
        .aliases = {"list", "lst", "ls"},
        .summary = "List VTEPs.",
        .about = "Options at their default are left out; -d shows all, -br one line for each VTEP.",
        .plain = "[[dev] DEV]",
        .most_plain = 1,
        .style = Style::device,
        .words = {{.word = "dev", .value = "DEV", .help = "Underlay port or VTEP device."},
                  {.word = "vni", .alias = "id", .value = "N", .help = "Only this VNI."}},
        .examples = {"xvtep show", "xvtep -d show dev vxlan0", "xvtep -br show"},
        .group = "VTEPs",
        .run = run_show,
    };
}

// The rows of the option table that may be changed; the others are refused with the reason.
std::vector<Word> set_words()
{
    std::vector<Word> words{needed_dev};
    const auto refuse = [&](const std::string &word, std::string_view reason) {
        words.push_back({.word = word, .refusal = std::string(reason)});
    };
    for (const AttachOption &option : attach_options()) {
        const auto reason = why_kept(option);
        if (reason.empty()) {
            words.push_back(word_of(option));
            words.back().initial.clear();
            continue;
        }
        if (option.field == OptionField(&AttachRequest::devices))
            continue; // `dev` is the VTEP's device
        refuse(option.word, reason);
        words.back().alias = option.alias;
        if (option_arity(option) == 0)
            refuse(std::string("no") + option.word, reason);
    }
    words.push_back({.word = "type", .value = "vxlan", .ignored = true});
    return words;
}

Page set_page()
{
    return {
        .name = "set",
        .summary = "Change options of a VTEP while packets go on.",
        .about = "All or nothing. The words are those of attach and of \"ip link set IFNAME type "
                 "vxlan\". Options that the kernel fixes when a device is made are refused. remote "
                 "and group take each other's place, and \"any\" removes them; \"local any\" "
                 "follows the route.",
        .plain = "[dev] IFNAME",
        .most_plain = 1,
        .missing = "no device given (xvtep set IFNAME local IP)",
        .style = Style::device,
        .words = set_words(),
        .examples = {"xvtep set vxlan0 local 192.168.8.110",
                     "xvtep set vxlan0 remote 192.168.8.102 ttl 16 nolearning",
                     "xvtep set dev vxlan0 ageing 600 maxaddress 1000 accept known"},
        .group = "VTEPs",
        .run = run_set,
    };
}

Page reload_page()
{
    return {
        .name = "reload",
        .summary = "Put this binary's programs in place of the running ones.",
        .about = "Tables, counters and packets in flight are kept.",
        .plain = "[[dev] DEV]",
        .most_plain = 1,
        .style = Style::device,
        .words = {{.word = "dev", .value = "DEV", .help = "Only this port.", .initial = "all"}},
        .examples = {"xvtep reload", "xvtep reload dev eth0"},
        .group = "VTEPs",
        .run = run_reload,
    };
}

Page port_page()
{
    const Word vlan{.word = "vlan",
                    .value = "VID",
                    .help = "VLAN of a trunk; the tag is off "
                            "inside the tunnel. 1 to 4094."};
    const Word port{.word = "dev",
                    .value = "IFNAME",
                    .help = "The host's end of a container's "
                            "veth pair, or a trunk."};
    Word mode = attach_word("mode");
    mode.help = "How programs are attached to this port.";
    return {
        .name = "port",
        .summary = "Manage local ports, whose frames skip the bridge.",
        .group = "Ports",
        .pages =
            {
                {.name = "port add",
                 .summary = "Put a local port on the fast path of a VNI.",
                 .plain = "[dev] IFNAME",
                 .most_plain = 1,
                 .missing = "no device given (xvtep port add IFNAME vni N)",
                 .style = Style::device,
                 .words = {port,
                           {.word = "vni",
                            .alias = "id",
                            .value = "N",
                            .help = "An attached VNI.",
                            .required = true},
                           vlan,
                           {.word = "dstport",
                            .value = "PORT",
                            .help = "UDP port of the VTEP, where "
                                    "the VNI is attached on two."},
                           mode},
                 .examples = {"xvtep port add veth1 vni 42", "xvtep port add eth2 vni 42 vlan 100"},
                 .run = run_port_add},
                {.name = "port del",
                 .aliases = {"delete"},
                 .summary = "Take a local port, or one VLAN of a trunk, off the fast path.",
                 .plain = "[dev] IFNAME",
                 .most_plain = 1,
                 .missing = "no device given (xvtep port del IFNAME)",
                 .style = Style::device,
                 .words = {port, vlan},
                 .examples = {"xvtep port del veth1", "xvtep port del eth2 vlan 100"},
                 .run = run_port_del},
                {.name = "port show",
                 .aliases = {"list", "lst", "ls"},
                 .summary = "List local ports.",
                 .plain = "[[dev] IFNAME]",
                 .most_plain = 1,
                 .style = Style::device,
                 .words = {port},
                 .examples = {"xvtep port show", "xvtep -br port show dev veth1"},
                 .run = run_port_show},
            },
    };
}

const Word src_vni{
    .word = "src_vni", .value = "N", .help = "The VTEP's VNI, on a device with many."};
const Word own_vni{.word = "vni", .value = "N", .help = "The VTEP's VNI, on a device with many."};

std::vector<Word> fdb_words()
{
    return {
        needed_dev,
        src_vni,
        {.word = "dst",
         .alias = "remote",
         .value = "IP",
         .help = "The VTEP behind which the MAC is.",
         .required = true},
        {.word = "port",
         .value = "PORT",
         .help = "UDP port of that VTEP.",
         .initial = "the device's"},
        {.word = "vni", .value = "N", .help = "VNI to send with.", .initial = "the device's"},
        {.word = "via",
         .value = "DEV",
         .help = "Underlay port to send by.",
         .initial = "as the route says"},
        {.word = "router", .help = "The MAC is a router's, for rsc and proxy."},
        {.word = "static", .alias = "temp", .help = "The entry stays, and packets do not move it."},
        {.word = "permanent", .alias = "local", .help = "The same; the default."},
        {.word = "dynamic", .help = "The entry ages as a learned one."},
        self,
        {.word = "nhid", .refusal = "xvtep has no next-hop groups (append destinations instead)"},
        {.word = "vlan", .refusal = "entries have no VLAN (src_vni says the VNI)"},
        {.word = "master", .refusal = "a bridge's own entries are bridge(8)'s"},
        {.word = "use", .refusal = "an entry is used when a packet is sent by it"},
        {.word = "sticky", .refusal = "static entries do not move already"},
        {.word = "extern-learn", .refusal = "use dynamic, or static"}};
}

Page fdb_entry(const char *verb, const char *summary, const char *about,
               std::vector<std::string> examples)
{
    return {.name = std::string("fdb ") + verb,
            .summary = summary,
            .about = about,
            .plain = "MAC",
            .most_plain = 1,
            .missing = "no MAC address given",
            .words = fdb_words(),
            .examples = std::move(examples),
            .run = run_fdb_write};
}

std::vector<Word> fdb_filters()
{
    return {
        {.word = "vni", .value = "N", .help = "Only entries that send with this VNI."},
        {.word = "src_vni", .value = "N", .help = "Only entries of this VNI of the device."},
        {.word = "dst", .alias = "remote", .value = "IP", .help = "Only entries for this VTEP."},
        {.word = "dynamic", .help = "Only learned and dynamic entries."},
        {.word = "static", .help = "Only static entries."},
        {.word = "permanent", .help = "Only permanent entries."}};
}

Page fdb_del_page()
{
    Page del = fdb_entry("del", "Delete an entry, or one of its destinations.", "",
                         {"xvtep fdb del b2:ee:aa:42:8b:0b dev vxlan0",
                          "xvtep fdb del 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.102"});
    del.aliases = {"delete"};
    del.run = run_fdb_del;
    for (Word &word : del.words) {
        if (word.word == "dst") {
            word.help = "Only this destination.";
            word.required = false;
        }
        if (word.word == "router" || word.word == "static" || word.word == "permanent" ||
            word.word == "dynamic")
            word.ignored = true; // as bridge(8) does
    }
    return del;
}

Page fdb_show_page()
{
    std::vector<Word> words = fdb_filters();
    Word device = dev;
    device.alias = "brport";
    words.insert(words.begin(), {device,
                                 {.word = "br",
                                  .alias = "master",
                                  .value = "BR",
                                  .help = "Only VTEPs that are ports of this bridge."}});
    words.push_back({.word = "state",
                     .value = "permanent|static|dynamic",
                     .help = "Only entries in this state."});
    words.push_back(self);
    return {
        .name = "fdb show",
        .aliases = {"list", "lst", "ls"},
        .summary = "List entries, as \"bridge fdb show\" prints them.",
        .about = "-s adds the seconds since an entry was used and updated.",
        .plain = "[[dev] IFNAME]",
        .most_plain = 1,
        .words = words,
        .examples = {"xvtep fdb show dev vxlan0", "xvtep -s fdb show dynamic dst 192.168.8.102"},
        .run = run_fdb_show};
}

Page fdb_flush_page()
{
    std::vector<Word> words = fdb_filters();
    words.insert(words.begin(), needed_dev);
    words.push_back(self);
    return {.name = "fdb flush",
            .summary = "Delete all entries of a VTEP, the default entry too, or those of a filter.",
            .plain = "[dev] IFNAME",
            .most_plain = 1,
            .missing = "no device given (dev IFNAME)",
            .words = words,
            .examples = {"xvtep fdb flush dev vxlan0 dynamic",
                         "xvtep fdb flush dev vxlan0 dst 192.168.8.102"},
            .run = run_fdb_flush};
}

Page fdb_page()
{
    return {
        .name = "fdb",
        .summary = "Manage the forwarding database, in the words of bridge(8).",
        .group = "Tables",
        .pages =
            {
                fdb_entry("add", "Add an entry.",
                          "The MAC of zeros is the default entry: it receives broadcast frames and "
                          "frames to unknown MAC addresses.",
                          {"xvtep fdb add b2:ee:aa:42:8b:0b dev vxlan0 dst 192.168.8.101",
                           "xvtep fdb add b2:ee:aa:42:8b:0b dev vxlan0 dst 192.168.8.101 static"}),
                fdb_entry("append",
                          "Add a further destination to the default entry or to a group's.", "",
                          {"xvtep fdb append 00:00:00:00:00:00 dev vxlan0 dst 192.168.8.102",
                           "xvtep fdb append 01:00:5e:01:01:01 dev vxlan0 dst 192.168.8.103"}),
                fdb_entry(
                    "replace", "Add an entry, or replace the one that is there.", "",
                    {"xvtep fdb replace b2:ee:aa:42:8b:0b dev vxlan0 dst 192.168.8.102",
                     "xvtep fdb replace b2:ee:aa:42:8b:0b dev vxlan0 dst 192.168.8.102 dynamic"}),
                fdb_del_page(),
                {.name = "fdb get",
                 .summary = "Print the entry of a MAC.",
                 .plain = "[to] MAC",
                 .most_plain = 1,
                 .missing = "no MAC address given",
                 .words =
                     {needed_dev,
                      {.word = "to", .value = "MAC", .help = "The MAC address.", .is_plain = true},
                      {.word = src_vni.word, .alias = "vni", .value = "N", .help = src_vni.help},
                      self},
                 .examples = {"xvtep fdb get b2:ee:aa:42:8b:0b dev vxlan0",
                              "xvtep -s fdb get b2:ee:aa:42:8b:0b dev vxlan0"},
                 .run = run_fdb_get},
                fdb_show_page(),
                fdb_flush_page(),
            },
    };
}

Page neigh_entry(const char *verb, const char *summary, std::vector<std::string> examples)
{
    return {.name = std::string("neigh ") + verb,
            .summary = summary,
            .plain = "[to] IP",
            .most_plain = 1,
            .words = {needed_dev,
                      {.word = "to",
                       .value = "IP",
                       .help = "The neighbour's address.",
                       .is_plain = true},
                      own_vni,
                      {.word = "lladdr",
                       .value = "MAC",
                       .help = "The neighbour's MAC address.",
                       .required = true},
                      {.word = "nud",
                       .value = "permanent|reachable",
                       .help = "State of the entry; a reachable one expires after reachable-time.",
                       .initial = "permanent"},
                      {.word = "permanent", .help = "The same as nud permanent."},
                      {.word = "reachable", .help = "The same as nud reachable."}},
            .examples = std::move(examples),
            .run = run_neigh_write};
}

// `neigh del` and `neigh get`, which go by the address.
Page neigh_look_up(const char *verb, const char *summary, std::vector<std::string> examples)
{
    Page page = neigh_entry(verb, summary, std::move(examples));
    for (Word &word : page.words)
        word.ignored = word.word != "dev" && word.word != "to" && word.word != "vni";
    return page;
}

Page neigh_page()
{
    Page change = neigh_entry("change", "Change an entry that is there.",
                              {"xvtep neigh change 10.20.1.3 lladdr b2:ee:aa:42:8b:0b dev vxlan0",
                               "xvtep neigh change 10.20.1.3 lladdr b2:ee:aa:42:8b:0b dev vxlan0 "
                               "nud reachable"});
    change.aliases = {"chg"};
    Page del = neigh_look_up(
        "del", "Delete an entry.",
        {"xvtep neigh del 10.20.1.3 dev vxlan0", "xvtep neigh del fd20::3 dev vxlan0"});
    del.aliases = {"delete"};
    del.run = run_neigh_del;
    Page get = neigh_look_up(
        "get", "Print the entry of an address.",
        {"xvtep neigh get 10.20.1.3 dev vxlan0", "xvtep -j neigh get fd20::3 dev vxlan0"});
    get.run = run_neigh_get;
    return {
        .name = "neigh",
        .aliases = {"neighbor", "neighbour"},
        .summary = "Manage the neighbour table that proxy and rsc use, in the words of ip(8).",
        .group = "Tables",
        .pages =
            {
                neigh_entry(
                    "add", "Add an entry.",
                    {"xvtep neigh add 10.20.1.3 lladdr b2:ee:aa:42:8b:0b dev vxlan0",
                     "xvtep neigh add fd20::3 lladdr b2:ee:aa:42:8b:0b dev vxlan0 nud reachable"}),
                change,
                neigh_entry("replace", "Add an entry, or replace the one that is there.",
                            {"xvtep neigh replace 10.20.1.3 lladdr b2:ee:aa:42:8b:0b dev vxlan0",
                             "xvtep neigh replace 10.20.1.3 lladdr b2:ee:aa:42:8b:0b dev vxlan0 "
                             "nud reachable"}),
                del,
                {.name = "neigh show",
                 .aliases = {"list", "lst", "ls"},
                 .summary = "List entries, as \"ip neigh show\" prints them.",
                 .plain = "[[to] PREFIX]",
                 .most_plain = 1,
                 .words = {dev,
                           {.word = "to",
                            .value = "PREFIX",
                            .help = "Only addresses in this prefix.",
                            .is_plain = true},
                           {.word = "vni", .value = "N", .help = "Only this VNI of the device."},
                           {.word = "nud",
                            .value = "permanent|reachable",
                            .help = "Only entries in this state."}},
                 .examples = {"xvtep neigh show dev vxlan0", "xvtep -4 neigh show nud permanent"},
                 .run = run_neigh_show},
                get,
                {.name = "neigh flush",
                 .summary = "Delete all entries of a VTEP, permanent ones too.",
                 .plain = "[dev] IFNAME",
                 .most_plain = 1,
                 .missing = "no device given (dev IFNAME)",
                 .words = {needed_dev, own_vni},
                 .examples = {"xvtep neigh flush dev vxlan0", "xvtep neigh flush vxlan0"},
                 .run = run_neigh_flush},
            },
    };
}

// `remote add` and `remote del`.
Page remote_entry(const char *verb, const char *summary, std::vector<std::string> examples)
{
    return {.name = std::string("remote ") + verb,
            .summary = summary,
            .plain = "IP",
            .most_plain = 1,
            .missing = "no IP address given",
            .words = {needed_dev, own_vni},
            .examples = std::move(examples)};
}

Page remote_page()
{
    Page add = remote_entry(
        "add", "Name a remote VTEP from which packets are taken, without an FDB entry.",
        {"xvtep remote add 192.168.8.102 dev vxlan0", "xvtep remote add fd00::2 dev vxlan0"});
    add.about = "A VTEP with \"accept any\" takes packets from every VTEP anyway. Frames are sent "
                "by FDB entries alone.";
    add.run = run_remote_add;
    Page del = remote_entry(
        "del", "Take back what \"remote add\" named.",
        {"xvtep remote del 192.168.8.102 dev vxlan0", "xvtep remote del fd00::2 dev vxlan0"});
    del.aliases = {"delete"};
    del.about = "A remote VTEP that an FDB entry names as well stays known.";
    del.run = run_remote_del;
    return {
        .name = "remote",
        .summary = "List remote VTEPs, and name those from which packets are taken.",
        .group = "Tables",
        .pages = {add,
                  del,
                  {.name = "remote show",
                   .aliases = {"list", "lst", "ls"},
                   .summary = "List remote VTEPs: those of FDB entries, and those that packets "
                              "came from.",
                   .about = "\"known\" are those whose packets a VTEP with \"accept known\" takes. "
                            "-s adds the inner frames that the programs have received from there "
                            "and sent there.",
                   .plain = "[IP]",
                   .most_plain = 1,
                   .words = {dev},
                   .examples = {"xvtep remote show dev vxlan0",
                                "xvtep -s remote show 192.168.8.102"},
                   .run = run_remote_show}},
    };
}

Page vni_page()
{
    const Word vnis{.word = "vni",
                    .value = "N[-M]",
                    .help = "VNIs; may be repeated.",
                    .required = true,
                    .repeats = true};
    return {
        .name = "vni",
        .summary = "Manage the VNIs of a device with many, in the words of bridge(8).",
        .group = "VTEPs",
        .pages = {{.name = "vni add",
                   .summary = "Add VNIs, with the options of the device.",
                   .plain = "[dev] IFNAME",
                   .most_plain = 1,
                   .missing = "no device given (dev IFNAME)",
                   .words = {needed_dev,
                             vnis,
                             {.word = "vlan",
                              .value = "V[-W]",
                              .help = "Their VLANs on the device; one vlan for each vni.",
                              .required = true,
                              .repeats = true},
                             {.word = "remote",
                              .value = "IP",
                              .help = "The VTEP of their default entries.",
                              .initial = "the device's"},
                             {.word = "group", .value = "IP", .help = "The same, for a group."}},
                   .examples = {"xvtep vni add dev vxlan0 vni 1101-1200 vlan 101-200",
                                "xvtep vni add dev vxlan0 vni 1201 vlan 201 remote 192.168.8.102"},
                   .run = run_vni_add},
                  {.name = "vni del",
                   .aliases = {"delete"},
                   .summary = "Remove VNIs, with their entries and local ports.",
                   .plain = "[dev] IFNAME",
                   .most_plain = 1,
                   .missing = "no device given (dev IFNAME)",
                   .words = {needed_dev, vnis},
                   .examples = {"xvtep vni del dev vxlan0 vni 1101-1200",
                                "xvtep vni del vxlan0 vni 1201"},
                   .run = run_vni_del},
                  {.name = "vni show",
                   .aliases = {"list", "lst", "ls"},
                   .summary = "List VNIs, as \"bridge vni show\" prints them, and their VLANs.",
                   .plain = "[[dev] IFNAME]",
                   .most_plain = 1,
                   .words = {dev},
                   .examples = {"xvtep vni show", "xvtep -j vni show dev vxlan0"},
                   .run = run_vni_show}},
    };
}

Page monitor_page()
{
    return {
        .name = "monitor",
        .summary = "Print misses as they happen, in the words of \"ip monitor neigh\".",
        .about = "\"ready\" on standard error says that the command listens.",
        .plain = "[[dev] IFNAME]",
        .most_plain = 1,
        .words = {dev,
                  {.word = "all", .help = "Every kind of event, as without this word."},
                  {.word = "neigh",
                   .alias = "neighbour",
                   .help = "Accepted as in ip(8).",
                   .ignored = true},
                  {.word = "count", .value = "N", .help = "Stop after N misses."},
                  {.word = "timeout", .value = "SECONDS", .help = "Stop after this time."}},
        .examples = {"xvtep monitor all dev vxlan0", "xvtep -ts monitor --count 10"},
        .group = "Events and counters",
        .run = run_monitor,
    };
}

Page stats_page()
{
    return {
        .name = "stats",
        .summary = "Print packets by VTEP and port, and why others were not forwarded.",
        .plain = "[[dev] IFNAME]",
        .most_plain = 1,
        .style = Style::device,
        .words = {{.word = "dev", .value = "IFNAME", .help = "Only this VTEP or port."},
                  {.word = "vni", .alias = "id", .value = "N", .help = "Only this VNI."}},
        .examples = {"xvtep stats", "xvtep -br stats dev vxlan0"},
        .group = "Events and counters",
        .run = run_stats,
    };
}

std::vector<Word> agent_words()
{
    const auto etcd = [](Word word) {
        word.group = "etcd";
        return word;
    };
    return {
        {.word = "directory",
         .value = "WHERE",
         .help = "file:PATH, etcd:URL[,URL...] or exec:COMMAND.",
         .required = true},
        {.word = "vni",
         .value = "N",
         .help = "Serve this VNI only; may be repeated.",
         .initial = "all",
         .repeats = true},
        {.word = "node",
         .value = "NAME",
         .help = "This host's name in the directory.",
         .initial = "the host name"},
        {.word = "vtep",
         .value = "IP",
         .help = "Announce this VTEP address.",
         .initial = "the local address of each VTEP"},
        {.word = "endpoint",
         .value = "VNI,MAC[,IP[,VTEP]]",
         .help = "Announce this endpoint, too; may be repeated.",
         .repeats = true},
        {.word = "no-announce", .help = "Announce nothing."},
        {.word = "withdraw",
         .help = "Withdraw announcements on exit.",
         .initial = "off: a restart finds them there"},
        {.word = "state",
         .value = "FILE",
         .help = "File that keeps what was heard of endpoints for the next run, or none.",
         .initial = "in /run/xvtep"},
        {.word = "metrics", .value = "ADDRESS:PORT", .help = "Serve /metrics for Prometheus."},
        {.word = "log",
         .value = "text|json",
         .help = "Format of the log on standard error.",
         .initial = "text"},
        {.word = "log-level",
         .value = "debug|info|warning|error",
         .help = "Least level of what is logged.",
         .initial = "info"},
        etcd({.word = "lease",
              .value = "SECONDS",
              .help = "Time until the endpoints of a dead host vanish.",
              .initial = "60"}),
        etcd({.word = "etcd-cacert", .value = "FILE", .help = "CA certificate of the servers."}),
        etcd({.word = "etcd-cert", .value = "FILE", .help = "Certificate of the client."}),
        etcd({.word = "etcd-key", .value = "FILE", .help = "Key of the client."}),
        etcd({.word = "etcd-user", .value = "NAME", .help = "User."}),
        etcd({.word = "etcd-password-file", .value = "FILE", .help = "File with the password."})};
}

Page agent_page()
{
    return {
        .name = "agent",
        .summary = "Answer misses from a directory, and announce this host's endpoints there.",
        .about = "Runs until it is stopped.",
        .style = Style::options,
        .words = agent_words(),
        .examples = {"xvtep agent --directory file:/etc/xvtep/endpoints",
                     "xvtep agent --directory etcd:https://10.0.0.5:2379 --vni 42"},
        .group = "Programs",
        .run_program = run_agent,
    };
}

Page adopt_page()
{
    return {
        .name = "adopt",
        .summary = "Speed up vxlan devices that other software has made and controls.",
        .about = "Runs until it is stopped; \"ready\" on standard error says that it works. The "
                 "devices stay as they are: the kernel's table, which FRR, flannel, Calico, "
                 "systemd-networkd or \"bridge fdb\" fill, decides. Frames that it sends to one "
                 "VTEP of an IPv4 underlay take the fast path, all others the kernel's. Devices "
                 "that learn, and others that cannot be served, are named with the reason.",
        .plain = "[IFNAME ...]",
        .most_plain = 1024,
        .style = Style::options,
        .words = {{.word = "all",
                   .help =
                       "All vxlan devices, also those that are made later, except xvtep's own."},
                  {.word = "underlay",
                   .value = "DEV",
                   .help = "Underlay port; may be repeated.",
                   .initial = "those that routes lead to",
                   .repeats = true},
                  {.word = "udpcsum",
                   .help = "Send outer UDP checksums where the device does.",
                   .initial = "off: 0, as RFC 7348 has it; large TCP packets need that"}},
        .examples = {"xvtep adopt vni100", "xvtep adopt --all",
                     "xvtep adopt flannel.1 --underlay eth0"},
        .group = "Programs",
        .run_program = run_adopt,
    };
}

Page lab_page()
{
    return {
        .name = "lab",
        .summary = "Build example networks in namespaces, and test them.",
        .about = "\"xvtep lab help\" lists its commands.",
        .examples = {"xvtep lab list", "xvtep lab up bridge && xvtep lab test; xvtep lab down"},
        .group = "Programs",
        .run_program = run_lab,
    };
}

Page completion_page()
{
    return {
        .name = "completion",
        .summary = "Print a completion script for a shell: bash, zsh or fish.",
        .plain = "bash|zsh|fish",
        .most_plain = 1,
        .missing = "no shell given (bash, zsh or fish)",
        .examples = {"source <(xvtep completion bash)",
                     "xvtep completion fish > ~/.config/fish/completions/xvtep.fish"},
        .group = "Help",
        .run = run_completion,
    };
}

const Page *find_whole(const std::vector<Page> &pages, std::string_view name)
{
    for (const Page &one : pages) {
        if (one.name == name)
            return &one;
        if (const Page *const found = find_whole(one.pages, name))
            return found;
    }
    return nullptr;
}

} // namespace

const std::vector<Page> &commands()
{
    static const std::vector<Page> all = {
        attach_page(), detach_page(), show_page(),   set_page(),       reload_page(), port_page(),
        fdb_page(),    neigh_page(),  remote_page(), monitor_page(),   stats_page(),  vni_page(),
        agent_page(),  adopt_page(),  lab_page(),    completion_page()};
    return all;
}

const Page &page(std::string_view name)
{
    const Page *const found = find_whole(commands(), name);
    if (found == nullptr)
        std::abort();
    return *found;
}

} // namespace xvtep::cli
