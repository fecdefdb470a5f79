// SPDX-License-Identifier: GPL-2.0-only
// Every case twice: the kernel's vxlan device as the system under test, then xvtep.

#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <set>
#include <sstream>
#include <thread>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include "tests/conformance/case.h"
#include "tests/conformance/frames.h"
#include "tests/conformance/lab.h"
#include "tests/support/netns_case.h"

namespace xvtep::conformance {
namespace {

const std::vector<Case> &cases()
{
    static const std::vector<Case> all = [] {
        std::vector<Case> list;
        for (const auto &group : {encap_cases(), header_cases(), decap_cases(), ecn_cases(),
                                  learning_cases(), neigh_cases(), gbp_cases(), network_cases()})
            list.insert(list.end(), group.begin(), group.end());
        return list;
    }();
    return all;
}

struct Run {
    const Case *what;
    System system;
};

void PrintTo(const Run &run, std::ostream *out)
{
    *out << run.what->name;
}

const char *name(Side side)
{
    switch (side) {
    case Side::wire:
        return "wire";
    case Side::access:
        return "access";
    case Side::access2:
        return "access2";
    case Side::host:
        return "host";
    }
    return "?";
}

// An expected frame as it is compared: sums and ids as those of what was seen.
Bytes expected(const Out &out)
{
    return out.side == Side::wire ? normal_wire(out.frame).frame : normal_inner(out.frame).frame;
}

class Conformance : public ::testing::TestWithParam<Run> {
  protected:
    static void TearDownTestSuite() { lab_.reset(); }

    void SetUp() override
    {
        if (::geteuid() != 0)
            GTEST_SKIP() << "needs root, for network namespaces and BPF";
        const Case &what = *GetParam().what;
        if (!lab_ || system_ != GetParam().system) {
            lab_.reset();
            system_ = GetParam().system;
            lab_ = std::make_unique<Lab>(system_);
        }
        static const bool vxlan =
            lab_->run("ip link add probe type vxlan id 1 dstport 4789").status == 0 &&
            lab_->run("ip link del probe").status == 0;
        if (!vxlan)
            GTEST_SKIP() << "no link type vxlan in this kernel";
        ready_ = true;
        dirty_ = !what.setup.before.empty();
        lab_->set_up(what.setup);
    }

    void TearDown() override
    {
        if (!ready_)
            return;
        lab_->tear_down();
        if (dirty_ || HasFailure())
            lab_.reset();
    }

    void play(const std::vector<Step> &steps)
    {
        if (std::ranges::any_of(steps, [](const Step &s) { return s.kind == Step::Kind::misses; }))
            lab_->monitor();
        for (std::size_t i = 0; i < steps.size() && !HasFatalFailure(); i++) {
            SCOPED_TRACE(fmt::format("step {}", i + 1));
            play(steps[i]);
        }
    }

  private:
    void play(const Step &step)
    {
        switch (step.kind) {
        case Step::Kind::send:
            return exchange(step);
        case Step::Kind::table: {
            const auto answer = lab_->table(step.words);
            EXPECT_EQ(answer.status, 0) << step.words << "\n" << answer.text;
            return;
        }
        case Step::Kind::refused: {
            const auto answer = lab_->table(step.words);
            EXPECT_NE(answer.status, 0) << step.words << " was accepted";
            return;
        }
        case Step::Kind::fdb_is: {
            auto want = step.lines;
            std::ranges::sort(want);
            EXPECT_EQ(fmt::format("{}", fmt::join(lab_->fdb("vxlan0"), "\n")),
                      fmt::format("{}", fmt::join(want, "\n")));
            return;
        }
        case Step::Kind::sut: {
            dirty_ = true;
            const auto answer = lab_->run(step.words);
            EXPECT_EQ(answer.status, 0) << step.words << "\n" << answer.text;
            return;
        }
        case Step::Kind::pause:
            std::this_thread::sleep_for(std::chrono::milliseconds(step.milliseconds));
            return;
        case Step::Kind::anew:
            lab_->tear_down();
            lab_->set_up(GetParam().what->setup);
            if (std::ranges::any_of(GetParam().what->steps,
                                    [](const Step &s) { return s.kind == Step::Kind::misses; }))
                lab_->monitor();
            return;
        case Step::Kind::misses:
            EXPECT_EQ(fmt::format("{}", fmt::join(lab_->misses(step.lines.size()), "\n")),
                      fmt::format("{}", fmt::join(step.lines, "\n")));
            return;
        case Step::Kind::ports:
            EXPECT_GE(ports_.size(), step.least) << fmt::format("{}", fmt::join(ports_, " "));
            EXPECT_LE(ports_.size(), step.most) << fmt::format("{}", fmt::join(ports_, " "));
            for (const unsigned port : ports_)
                EXPECT_TRUE(port >= step.low && port <= step.high) << port;
            ports_.clear();
            return;
        }
    }

    void exchange(const Step &step)
    {
        for (const Bytes &frame : step.in)
            lab_->send(step.side, frame, step.mark.value_or(0));
        std::vector<Seen> seen = lab_->collect(step.out.size());
        // The device's tap also sees what goes on to the bridge.
        if (std::ranges::none_of(step.out, [](const Out &o) { return o.side == Side::host; }) &&
            !host_counts())
            std::erase_if(seen, [](const Seen &s) { return s.side == Side::host; });
        for (const Seen &frame : seen) {
            EXPECT_EQ(frame.wrong, "") << name(frame.side) << "\n" << hex(frame.frame);
            if (frame.side == Side::wire && frame.source_port)
                ports_.insert(*frame.source_port);
        }
        std::vector<Out> missing;
        for (const Out &out : step.out) {
            const auto found = std::ranges::find_if(seen, [&](const Seen &s) {
                return s.side == out.side && s.frame == expected(out) &&
                       (!out.mark || *out.mark == s.mark);
            });
            if (found == seen.end())
                missing.push_back(out);
            else
                seen.erase(found);
        }
        for (const Out &out : missing) {
            const auto near =
                std::ranges::find_if(seen, [&](const Seen &s) { return s.side == out.side; });
            if (near == seen.end()) {
                ADD_FAILURE() << "missing at " << name(out.side) << ":\n" << hex(expected(out));
                continue;
            }
            ADD_FAILURE() << "another at " << name(out.side) << ", mark " << near->mark << ": "
                          << test::difference(near->frame, expected(out));
            seen.erase(near);
        }
        for (const Seen &frame : seen)
            ADD_FAILURE() << "not expected at " << name(frame.side) << ":\n" << hex(frame.frame);
    }

    static bool host_counts()
    {
        const auto &devices = GetParam().what->setup.devices;
        return devices.front().bridge.empty();
    }

    inline static std::unique_ptr<Lab> lab_;
    inline static System system_ = System::kernel;
    std::set<unsigned> ports_;
    bool ready_ = false, dirty_ = false;
};

TEST_P(Conformance, Case)
{
    if (HasFailure())
        return;
    const Case &what = *GetParam().what;
    play(GetParam().system == System::xvtep && !what.differs.empty() ? what.xvtep_steps
                                                                     : what.steps);
}

std::vector<Run> runs(System system)
{
    std::vector<Run> list;
    for (const Case &what : cases())
        list.push_back({&what, system});
    return list;
}

std::string title(const ::testing::TestParamInfo<Run> &info)
{
    return info.param.what->group + "_" + info.param.what->name;
}

INSTANTIATE_TEST_SUITE_P(kernel, Conformance, ::testing::ValuesIn(runs(System::kernel)), title);
INSTANTIATE_TEST_SUITE_P(xvtep, Conformance, ::testing::ValuesIn(runs(System::xvtep)), title);

std::string table()
{
    std::string text = R"(# Conformance

Every case runs twice, once with the kernel's vxlan device and once with xvtep as the VTEP under
test. The same frames go in, and the same frames have to come out. IP identifications, source ports
and correct checksums are not compared.

A case is a row of `tests/conformance/cases_*.cc`: the device in iproute2's words, the steps, and,
where xvtep differs on purpose, what it does instead and why. The suite does not wait for a while to
see that no frame comes: markers follow each frame through the same queues.

```
ctest --test-dir build -L conformance -j2
build/xvtep_conformance_tests --gtest_filter=*/encap_vlan*              # some cases
XVTEP_MODE=xdp build/xvtep_conformance_tests --gtest_filter=xvtep/*     # another mode
XVTEP_WRITE_TABLE=1 build/xvtep_conformance_tests --gtest_filter=Table.*   # writes this file
```

)";
    std::size_t different = 0;
    for (const Case &what : cases())
        different += what.differs.empty() ? 0 : 1;
    text += fmt::format("There are {} cases. In {} of them xvtep differs on purpose.\n\n",
                        cases().size(), different);
    text += "| group | case | xvtep |\n|---|---|---|\n";
    for (const Case &what : cases())
        text += fmt::format("| {} | {} | {} |\n", what.group, what.name,
                            what.differs.empty() ? "as the kernel" : "differs: " + what.differs);
    return text;
}

TEST(Table, OfTheReadmeIsCurrent)
{
    const std::string path = std::string(XVTEP_SOURCE_DIR) + "/tests/conformance/README.md";
    if (std::getenv("XVTEP_WRITE_TABLE") != nullptr)
        std::ofstream(path) << table();
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    EXPECT_TRUE(text.str() == table())
        << path << " is not current: its own text says how to write it";
}

TEST(Table, DifferencesHaveStepsAndNamesAreUnique)
{
    std::set<std::string> names;
    for (const Case &what : cases()) {
        EXPECT_TRUE(names.insert(what.group + "_" + what.name).second) << what.name;
        EXPECT_EQ(what.differs.empty(), what.xvtep_steps.empty()) << what.name;
        EXPECT_FALSE(what.steps.empty()) << what.name;
    }
}

} // namespace
} // namespace xvtep::conformance
