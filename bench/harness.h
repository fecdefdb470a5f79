// SPDX-License-Identifier: GPL-2.0-only
// Rounds taken in turn: system A round 1, system B round 1, … A round 2. Only rounds of one run
// compare.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "bench/peers.h"
#include "bench/world.h"
#include "user/base/result.h"

namespace xvtep::bench {

struct Options {
    bool quick = false;
    unsigned rounds = 7;
    double seconds = 0.5;               // of a round
    std::vector<std::string> cases{};   // empty: all
    std::vector<std::string> systems{}; // empty: all
    std::string xvtep{};                // the program
    bool scale = false;                 // the cases that scale_only suites have, and no others
    std::string before{};               // an earlier build of the program; empty: none
    unsigned before_most = 512;         // VTEPs that this build is measured with
    int core = 0, other_core = 0;       // what sends and receives is pinned to the first
};

// What is measured, and what it is called in reports.
struct Case {
    std::string name, unit;
    bool higher = true; // is better
    std::string what{}; // one line
};

struct CaseResult {
    Case about;
    std::map<System, std::vector<double>> rounds{};
    std::map<System, std::string> failed{}; // why there is no figure
};

double median(std::vector<double> values);

// Several figures may come from one round: as many as there are cases.
struct Contender {
    System system;
    std::function<Result<std::vector<double>>()> round;
};

enum class WarmUp { yes, no };

class Harness {
  public:
    explicit Harness(Options options) : options_(std::move(options)) {}

    [[nodiscard]] const Options &options() const { return options_; }
    [[nodiscard]] bool wants(const std::string &name) const;
    [[nodiscard]] bool wants_any(const std::vector<Case> &cases) const;
    [[nodiscard]] bool wants(System system) const;
    // Those that are wanted and can be had; the others of them are left out, which is noted.
    std::vector<System> here(const std::vector<System> &systems);
    [[nodiscard]] const std::map<System, std::string> &left_out() const { return left_out_; }

    // A warm-up round each, then the rounds in turn. `rounds` 0: as the options say. A figure that
    // is not a number is left out: the system has nothing of the kind.
    void in_turn(const std::vector<Case> &cases, const std::vector<Contender> &contenders,
                 unsigned rounds = 0, WarmUp warm_up = WarmUp::yes);
    // A figure that was not taken in rounds, or derived.
    void add(const Case &about, System system, const std::vector<double> &rounds);
    void fail(const Case &about, System system, const std::string &why);

    [[nodiscard]] const std::deque<CaseResult> &results() const { return results_; }
    [[nodiscard]] const CaseResult *result(const std::string &name) const;
    [[nodiscard]] bool failed() const;

    // A line of progress on standard error.
    static void say(const std::string &line);

  private:
    CaseResult &of(const Case &about);
    Options options_;
    std::map<System, std::string> left_out_; // why
    std::deque<CaseResult> results_;         // what result() gave out stays where it is
};

// Whether a signal asked for the end.
bool stopping();
void stop_on_signals();

// The calling thread on one core while it lives.
class Pinned {
  public:
    explicit Pinned(int core);
    Pinned(const Pinned &) = delete;
    Pinned &operator=(const Pinned &) = delete;
    ~Pinned();

  private:
    std::vector<int> before_;
};

// A group of cases that share what is built for them.
struct Suite {
    std::string name;
    std::vector<Case> cases;
    void (*run)(Harness &harness, const Suite &suite);
    bool scale_only = false; // runs with --scale, or where one of its cases is named
};
std::vector<Suite> suites(); // in the order in which they run

Suite decap_suite();
Suite encap_suite();
Suite ecmp_suite();
Suite traffic_suite();
Suite programs_suite();
Suite cores_suite();
Suite entries_suite();
Suite vnis_suite();
Suite vni_device_suite();
Suite floods_suite();
Suite control_suite();
Suite vteps_suite();
Suite namespaces_suite();
Suite many_vnis_suite();
Suite upgrade_suite();

} // namespace xvtep::bench
