// SPDX-License-Identifier: GPL-2.0-only
// Checks of a lab. Each is a file in checks/: a class with its keys and what it does, and a
// CheckType object with its name. A new check is a new file there, and nothing else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "user/lab/capture.h"
#include "user/lab/driver.h"
#include "user/lab/json_reader.h"
#include "user/lab/names.h"
#include "user/lab/node.h"
#include "user/lab/state.h"

namespace xvtep {

// A line of `lab test`.
struct CheckResult {
    std::string what;
    bool passed = false;
    std::string detail;
};

// What a check works on, and its results.
class CheckRun {
  public:
    const LabState &state;
    const LabDescription &lab;
    LabNodes &nodes;
    std::vector<CheckResult> results{};

    void pass(const std::string &what, const std::string &detail);
    void fail(const std::string &what, const std::string &cause);
    void report(const std::string &what, bool passed, const std::string &detail);
    // The value is the detail of a pass, the error's message that of a failure.
    void report(const std::string &what, const Result<std::string> &outcome);
    void report(const std::string &what, const Result<> &outcome);

    [[nodiscard]] const VtepDriver &driver(const std::string &host) const
    {
        return driver_of(state, host);
    }
    [[nodiscard]] LabNode &node(const std::string &name) const { return nodes.at(name); }
    [[nodiscard]] Result<Mac> mac_of(const LabDevice &device) const;
    [[nodiscard]] Result<Mac> mac_of(const LabMac &mac) const;
    // Of one device, or with "" of all devices of the node.
    [[nodiscard]] Result<Capture> capture_on(const LabDevice &device) const;
};

class LabCheck {
  public:
    LabCheck() = default;
    LabCheck(const LabCheck &) = delete;
    LabCheck &operator=(const LabCheck &) = delete;
    virtual ~LabCheck() = default;

    // Takes the check's keys. Throws JsonError.
    virtual void read(JsonObject &json, const LabNames &names) = 0;
    // Called for all checks of a lab before the first one runs.
    virtual void prepare(CheckRun &) {}
    virtual void run(CheckRun &run) = 0;
};

// Null where no check has this name.
std::unique_ptr<LabCheck> make_check(const std::string &name);
std::vector<std::string> check_names();

using MakeCheck = std::unique_ptr<LabCheck> (*)();
void register_check(const char *name, MakeCheck make);

// Registers a class for the "type" `name`.
template <class T> struct CheckType {
    explicit CheckType(const char *name)
    {
        register_check(name, []() -> std::unique_ptr<LabCheck> { return std::make_unique<T>(); });
    }
};

// Why a check failed: "check OBJECT: CAUSE".
Failure check_failure(const std::string &object, const std::string &cause);

// Runs all checks of the lab. A check that cannot be run has failed.
std::vector<CheckResult> run_checks(const LabState &state, LabNodes &nodes);

} // namespace xvtep
