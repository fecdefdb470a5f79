// SPDX-License-Identifier: GPL-2.0-only
// Reads structs from JSON. A struct has a function fields(JsonObject &, T &), which names each key
// once. Wrong types, values out of range, missing keys, and unknown keys are refused with the
// place: "hosts[0].vteps[1].vni: 0 is not in 1 .. 16777215".
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "user/base/result.h"
#include "xvtep/ip.h"
#include "xvtep/mac.h"
#include "xvtep/option.h"

namespace xvtep {

// Thrown by the functions below, caught by read_json().
struct JsonError {
    std::string where;
    std::string why;
};

// A value, and its place in the document. It refers to the document.
class JsonValue {
  public:
    JsonValue(const nlohmann::json &data, std::string where);

    [[noreturn]] void refuse(const std::string &why) const { throw JsonError{where_, why}; }

    [[noreturn]] void refuse_choice(const std::vector<std::string> &words) const;

    [[nodiscard]] bool is_text() const;
    [[nodiscard]] std::string text() const;
    [[nodiscard]] bool boolean() const;
    [[nodiscard]] std::uint64_t number(std::uint64_t lowest, std::uint64_t highest) const;
    // For an option of attach, which judges the type: see set_option().
    [[nodiscard]] OptionValue option_value() const;
    [[nodiscard]] std::vector<JsonValue> items() const;
    [[nodiscard]] std::vector<std::pair<std::string, JsonValue>> members() const;

  private:
    const nlohmann::json *data_;
    std::string where_;
};

class JsonObject {
  public:
    explicit JsonObject(const JsonValue &value);

    // The key's value into `target`. take() leaves `target` alone where there is no such key;
    // need() refuses that. `read` makes the target's value from a JsonValue; without it, the type
    // decides.
    template <class T, class Read> void take(const std::string &key, T &target, Read &&read)
    {
        if (const std::optional<JsonValue> value = find(key))
            target = read(*value);
    }
    template <class T> void take(const std::string &key, T &target);
    template <class T, class Read> void need(const std::string &key, T &target, Read &&read)
    {
        target = read(find_needed(key));
    }
    template <class T> void need(const std::string &key, T &target);

    std::optional<JsonValue> find(const std::string &key);
    JsonValue find_needed(const std::string &key);

    // Refuses keys that nobody asked for.
    void finish() const;
    [[noreturn]] void refuse(const std::string &why) const { value_.refuse(why); }

  private:
    JsonValue value_;
    std::map<std::string, JsonValue> members_; // those not asked for yet
};

// How each type is read.
template <class T>
concept HasJsonFields = requires(JsonObject &object, T &target)
{
    fields(object, target);
};

void from_json(const JsonValue &value, std::string &target);
void from_json(const JsonValue &value, bool &target);
void from_json(const JsonValue &value, Ip &target);
void from_json(const JsonValue &value, Mac &target);
void from_json(const JsonValue &value, Prefix &target);

template <class T>
requires std::unsigned_integral<T>
void from_json(const JsonValue &value, T &target)
{
    target = static_cast<T>(value.number(0, std::numeric_limits<T>::max()));
}

template <HasJsonFields T> void from_json(const JsonValue &value, T &target)
{
    JsonObject object(value);
    fields(object, target);
    object.finish();
}

template <class T> void from_json(const JsonValue &value, std::optional<T> &target)
{
    from_json(value, target.emplace());
}

template <class T> void from_json(const JsonValue &value, std::vector<T> &target)
{
    for (const JsonValue &item : value.items())
        from_json(item, target.emplace_back());
}

template <class T> void JsonObject::take(const std::string &key, T &target)
{
    if (const std::optional<JsonValue> value = find(key))
        from_json(*value, target);
}

template <class T> void JsonObject::need(const std::string &key, T &target)
{
    from_json(find_needed(key), target);
}

// Readers for values that the type alone does not describe.
template <class T> auto number_in(T lowest, T highest)
{
    return [=](const JsonValue &value) { return static_cast<T>(value.number(lowest, highest)); };
}

// One of a few words.
template <class T> auto one_of(std::vector<std::pair<const char *, T>> choices)
{
    return [choices = std::move(choices)](const JsonValue &value) {
        const std::string text = value.text();
        std::vector<std::string> words;
        for (const auto &[word, chosen] : choices) {
            if (text == word)
                return chosen;
            words.emplace_back(word);
        }
        value.refuse_choice(words);
    };
}

template <class Read> auto list_of(Read read)
{
    return [read](const JsonValue &value) {
        std::vector<decltype(read(value))> list;
        for (const JsonValue &item : value.items())
            list.push_back(read(item));
        return list;
    };
}

// Parses the text and has `read` read the document. What is wrong with the text is a usage error:
// "OPERATION SOURCE: PLACE: CAUSE".
Result<> read_json(std::string_view text, std::string_view operation, std::string_view source,
                   const std::function<void(const JsonValue &)> &read);

} // namespace xvtep
