// SPDX-License-Identifier: GPL-2.0-only
// Who may do what, what other users of the machine can do about it, and the way out where the
// tables are not to be read.

#include <bpf/bpf.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/support/netns_case.h"
#include "user/base/fd.h"
#include "user/datapath/bpffs.h"

namespace xvtep::test {
namespace {

constexpr const char *attach = "attach u --vni 42 --name v --remote 192.168.8.101";

class Privileges : public NetnsCase {
  protected:
    void SetUp() override
    {
        NetnsCase::SetUp();
        if (IsSkipped())
            return;
        a_ = host("a");
        ip(a_, "link add u type veth peer name w");
        ip(a_, "link set u up");
        ip(a_, "link set w up");
        ip(a_, "addr add 192.168.8.100/24 dev u");
        directory_ = state_directory("/sys/fs/bpf", Netns::open(a_)->cookie().value_or(0));
    }

    Output run(const std::string &words)
    {
        return sh(fmt::format("{} -n {} {}", xvtep(), a_, words));
    }

    // A script with a bpf file system of its own that everybody may write to, as the kernel makes
    // it. In it, `as CAPABILITIES WORDS…` is xvtep run by nobody with no more than these.
    Output in_open_bpffs(const std::string &script)
    {
        std::ofstream(file("script"))
            << "mount -t bpf -o mode=1777 bpf /sys/fs/bpf || exit 99\n"
            << "cp " << xvtep() << " " << file("xvtep") << " && chmod 755 " << file(".") << " "
            << file("xvtep") << "\n"
            << "nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups \"$@\"; }\n"
            << "as() { caps=$1; shift; nsenter --net=/run/netns/" << a_
            << " setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all,$caps"
               " --ambient-caps=-all,$caps "
            << file("xvtep") << " \"$@\"; echo $?; }\n"
            << "root() { " << xvtep() << " -n " << a_ << " \"$@\"; echo $?; }\n"
            << script;
        return sh("unshare -m sh " + file("script"));
    }

    std::string a_, directory_;
};

TEST_F(Privileges, EachIsNamed)
{
    const std::string words = attach;
    EXPECT_EQ(in_open_bpffs("as +bpf " + words).text,
              "attach u: no permission (needs CAP_NET_ADMIN)\n2\n");
    EXPECT_EQ(in_open_bpffs("as +net_admin " + words).text,
              "attach u: no permission (needs CAP_BPF)\n2\n");
    EXPECT_EQ(in_open_bpffs("as +net_admin,+bpf " + words + "; ls /sys/fs/bpf | grep xvtep").text,
              "attach u: no permission (needs CAP_PERFMON)\n2\n");
    EXPECT_EQ(in_open_bpffs("as +net_admin,+bpf,+perfmon " + words + " --mode xdp").text,
              "attach u: no permission (needs CAP_SYS_ADMIN, for XDP)\n2\n");
}

TEST_F(Privileges, TheseAreEnough)
{
    const std::string all = "as +net_admin,+bpf,+perfmon ";
    std::string script;
    for (const std::string words :
         {attach, "fdb add 02:00:00:00:00:01 dev v dst 192.168.8.8", "port add w --vni 42",
          "fdb del 02:00:00:00:00:01 dev v", "port del w", "detach u"})
        script += all + words + "\n";
    EXPECT_EQ(in_open_bpffs(script + "ls /sys/fs/bpf | grep xvtep").text, "0\n0\n0\n0\n0\n0\n");
    // Without programs to load one less is: the first port has loaded those of ports.
    const std::string one_less = "as +net_admin,+bpf ";
    EXPECT_EQ(in_open_bpffs(all + attach + "\n" + one_less + "port add w --vni 42\n" + all +
                            "port add w --vni 42\n" + one_less + "port del w\n" + one_less +
                            "port add w --vni 42\n" + all + "detach u")
                  .text,
              "0\n"
              "port add w: load BPF programs: no permission (needs CAP_PERFMON)\n2\n"
              "0\n0\n0\n0\n");
}

// XDP that only root could attach, only root takes off: nothing is forgotten in between.
TEST_F(Privileges, WhatCannotBeRemovedIsSaid)
{
    const std::string words = attach;
    EXPECT_EQ(
        in_open_bpffs("root " + words +
                      " --mode skb\n"
                      "chown -R nobody /sys/fs/bpf/xvtep\n"
                      "as +net_admin,+bpf,+perfmon detach u\n"
                      "chown -R root /sys/fs/bpf/xvtep\n"
                      "ip -n " +
                      a_ +
                      " link show u | grep -c xdpgeneric\n"
                      "root show | grep -c vni\n"
                      "root detach lo\n"
                      "ip -n " +
                      a_ +
                      " link show u | grep -c xdpgeneric\n"
                      "ls /sys/fs/bpf | grep xvtep")
            .text,
        "0\ndetach u: look at XDP of ifindex 3: no permission (needs CAP_SYS_ADMIN, for XDP)\n2\n"
        "1\n0\ndetach lo: no VNI is attached\n2\n0\n");
}

TEST_F(Privileges, StateIsItsMakers)
{
    const std::string all = "as +net_admin,+bpf,+perfmon ", words = attach;
    EXPECT_EQ(in_open_bpffs("root " + words + "\n" + all + "detach u\nroot detach u").text,
              "0\ndetach u: open /sys/fs/bpf/xvtep: permission denied (another user's)\n2\n0\n");
    EXPECT_EQ(
        in_open_bpffs("nobody mkdir /sys/fs/bpf/xvtep; root " + words + "; root show").text,
        "attach u: use /sys/fs/bpf/xvtep: user 65534 has made it: remove it, and mount the bpf "
        "file "
        "system with mode=0700\n2\n"
        "show: use /sys/fs/bpf/xvtep: user 65534 has made it: remove it, and mount the bpf file "
        "system with mode=0700\n2\n");
}

// Whatever another user can open, locked, keeps nobody waiting.
TEST_F(Privileges, NoOtherUserHoldsTheLock)
{
    const std::string words = attach;
    EXPECT_EQ(
        in_open_bpffs("root " + words +
                      "\n"
                      "for path in /sys/fs/bpf $(find /sys/fs/bpf/xvtep); do\n"
                      "  nobody flock -n $path sleep 5 >/dev/null 2>&1 & holders=\"$holders $!\"\n"
                      "done\n"
                      "sleep 0.5\n"
                      "timeout 3 " +
                      xvtep() + " -n " + a_ +
                      " detach u; echo $?\n"
                      "kill $holders 2>/dev/null; true")
            .text,
        "0\n0\n");
}

TEST_F(Privileges, TheLockIsThereForAll)
{
    ASSERT_EQ(run(attach).status, 0);
    struct stat found {};
    ASSERT_EQ(::stat("/sys/fs/bpf/xvtep", &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0700U);
    {
        auto lock = Lock::take("/sys/fs/bpf");
        ASSERT_TRUE(lock) << lock.error().message();
        EXPECT_EQ(sh(fmt::format("timeout 0.5 {} -n {} detach u", xvtep(), a_)).status, 124)
            << "waits";
    }
    EXPECT_EQ(run("detach u").status, 0);
    EXPECT_FALSE(std::filesystem::exists(directory_));
}

TEST_F(Privileges, CpusUnknown)
{
    ASSERT_EQ(run(attach).status, 0);
    const std::string hidden = "unshare -m sh -c \"mount -t tmpfs none /sys/devices/system/cpu; ";
    for (const char *words :
         {"stats", "attach u --vni 43 --remote 192.168.8.9", "port add w --vni 42"}) {
        const Output output = sh(fmt::format("{}{} -n {} {}\"", hidden, xvtep(), a_, words));
        EXPECT_EQ(output.status, 2) << words;
        EXPECT_NE(output.text.find(
                      ": read /sys/devices/system/cpu/possible: no such file or directory\n"),
                  std::string::npos)
            << output.text;
        EXPECT_EQ(std::ranges::count(output.text, '\n'), 1) << output.text;
    }
}

class Force : public Privileges {
  protected:
    std::string links()
    {
        return must(fmt::format("ip -n {} -o link show | cut -d: -f2-3 | sed \"s/ qlen.*//\"", a_));
    }

    void set_layout(__u32 layout)
    {
        const Fd map(bpf_obj_get((directory_ + "/maps/layout").c_str()));
        const __u32 zero = 0;
        ASSERT_EQ(bpf_map_update_elem(map.get(), &zero, &layout, BPF_ANY), 0);
    }
};

TEST_F(Force, WhateverTheTables)
{
    ip(a_, "link add other type vxlan id 7 dev u dstport 4790");
    const std::string before = links();
    const std::pair<const char *, std::function<void()>> harms[] = {
        {"whole", [] {}},
        {"another layout", [&] { set_layout(99); }},
        {"a map is missing", [&] { std::filesystem::remove(directory_ + "/maps/vteps"); }},
        {"the layout is missing", [&] { std::filesystem::remove(directory_ + "/maps/layout"); }},
        {"all maps are missing", [&] { std::filesystem::remove_all(directory_ + "/maps"); }}};
    for (const auto &[name, harm] : harms) {
        SCOPED_TRACE(name);
        ASSERT_EQ(run(std::string(attach) + " --mode skb").status, 0);
        ASSERT_EQ(run("attach u --vni 43 --name v43 --remote 192.168.8.101").status, 0);
        ASSERT_EQ(run("port add w --vni 42").status, 0);
        harm();
        const Output output = run("detach --force");
        EXPECT_EQ(output.status, 0) << output.text;
        EXPECT_EQ(links(), before);
        EXPECT_EQ(in(a_, "tc filter show dev w ingress"), "");
        EXPECT_FALSE(std::filesystem::exists(directory_));
    }
    EXPECT_EQ(run("detach --force").status, 0) << "nothing there is no error";
    EXPECT_EQ(run("detach --force u").status, 1);
}

TEST_F(Force, IsNamedWhereItHelps)
{
    ASSERT_EQ(run(attach).status, 0);
    set_layout(99);
    for (const char *words : {"detach u", "show", "fdb show"}) {
        const Output output = run(words);
        EXPECT_EQ(output.status, 2);
        EXPECT_NE(output.text.find("its maps have layout 99"), std::string::npos) << output.text;
        EXPECT_NE(output.text.find("xvtep detach --force"), std::string::npos) << output.text;
    }
    EXPECT_EQ(run("detach --force").status, 0);
    EXPECT_EQ(run(attach).status, 0);
}

} // namespace
} // namespace xvtep::test
