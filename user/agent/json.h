// SPDX-License-Identifier: GPL-2.0-only
// JSON for the whole agent. json.cc alone includes nlohmann/json.hpp: each file that does so takes
// seconds longer to compile.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace xvtep::agent {

// A value in JSON text that another program wrote. It may be of any type, so every function accepts
// every value. Copies are cheap and share the parsed text.
class Json {
  public:
    Json(); // null
    // Text that is not JSON gives a value of no type: all of the is_…() functions return false.
    static Json parse(std::string_view text);

    [[nodiscard]] bool is_null() const;
    [[nodiscard]] bool is_object() const;
    [[nodiscard]] bool is_array() const;
    [[nodiscard]] bool is_string() const;
    [[nodiscard]] bool is_true() const;

    // The string; empty if the value is not a string.
    [[nodiscard]] const std::string &text() const;
    // The number, if it is an integer from 0 to 2^64-1 written without fraction and exponent.
    [[nodiscard]] std::optional<std::uint64_t> number() const;

    // The member of an object; nothing if there is none or the value is not an object.
    [[nodiscard]] std::optional<Json> find(const char *name) const;
    // The same, with null instead of nothing.
    [[nodiscard]] Json member(const char *name) const;
    // The number of an array's elements or an object's members; otherwise 0.
    [[nodiscard]] std::size_t size() const;
    // An array's elements; empty if the value is not an array.
    [[nodiscard]] std::vector<Json> elements() const;

    // ASCII text on one line.
    [[nodiscard]] std::string dump() const;

  private:
    explicit Json(std::shared_ptr<const nlohmann::json> value);
    std::shared_ptr<const nlohmann::json> value_; // a part of the parsed text, which it keeps alive
};

// `text` as a JSON string with its quotes, in ASCII; bytes that are not UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

} // namespace xvtep::agent
