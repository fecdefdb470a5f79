// SPDX-License-Identifier: GPL-2.0-only
#pragma once

#include <functional>
#include <utility>
#include <vector>

namespace xvtep {

// Runs its steps, the newest first, when the scope is left without commit().
class Undo {
  public:
    Undo() = default;
    Undo(const Undo &) = delete;
    Undo &operator=(const Undo &) = delete;
    ~Undo()
    {
        for (; !steps_.empty(); steps_.pop_back())
            steps_.back()();
    }

    void push(std::function<void()> step) { steps_.push_back(std::move(step)); }
    void commit() { steps_.clear(); }

  private:
    std::vector<std::function<void()>> steps_;
};

} // namespace xvtep
