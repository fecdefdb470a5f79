// SPDX-License-Identifier: GPL-2.0-only
// Files of a test's own.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

namespace xvtep::test {

// A directory that goes, with all that is in it, when this does.
class Scratch {
  public:
    Scratch()
    {
        directory_ = ::testing::TempDir() + "/xvtep-XXXXXX";
        if (::mkdtemp(directory_.data()) == nullptr)
            ADD_FAILURE() << "cannot create " << directory_;
    }
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;
    ~Scratch()
    {
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }

    [[nodiscard]] std::string file(const std::string &name) const
    {
        return directory_ + "/" + name;
    }

  private:
    std::string directory_;
};

} // namespace xvtep::test
