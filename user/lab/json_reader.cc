// SPDX-License-Identifier: GPL-2.0-only
#include "user/lab/json_reader.h"

#include <array>

#include <fmt/ranges.h>

#include <nlohmann/json.hpp>

namespace xvtep {

namespace {

using Json = nlohmann::json;

template <class T> T parsed(const JsonValue &value, const char *why)
{
    const std::optional<T> found = T::parse(value.text());
    if (!found)
        value.refuse(why);
    return *found;
}

} // namespace

JsonValue::JsonValue(const Json &data, std::string where) : data_(&data), where_(std::move(where))
{
}

void JsonValue::refuse_choice(const std::vector<std::string> &words) const
{
    if (words.size() == 2)
        refuse(fmt::format("neither \"{}\" nor \"{}\"", words[0], words[1]));
    const std::vector<std::string> first(words.begin(), words.end() - 1);
    refuse(fmt::format("none of \"{}\" and \"{}\"", fmt::join(first, "\", \""), words.back()));
}

bool JsonValue::is_text() const
{
    return data_->is_string();
}

std::string JsonValue::text() const
{
    if (!data_->is_string())
        refuse("not a string");
    return data_->get<std::string>();
}

bool JsonValue::boolean() const
{
    if (!data_->is_boolean())
        refuse("neither true nor false");
    return data_->get<bool>();
}

std::uint64_t JsonValue::number(std::uint64_t lowest, std::uint64_t highest) const
{
    if (!data_->is_number_unsigned())
        refuse("not a whole number");
    const auto value = data_->get<std::uint64_t>();
    if (value < lowest || value > highest)
        refuse(fmt::format("{} is not in {} .. {}", value, lowest, highest));
    return value;
}

OptionValue JsonValue::option_value() const
{
    if (data_->is_boolean())
        return data_->get<bool>();
    if (data_->is_number_unsigned())
        return data_->get<std::uint64_t>();
    if (data_->is_string())
        return data_->get<std::string>();
    if (data_->is_array() && data_->size() == 2 && (*data_)[0].is_number_unsigned() &&
        (*data_)[1].is_number_unsigned())
        return data_->get<std::array<std::uint64_t, 2>>();
    return std::vector<std::string>(); // no option takes that
}

std::vector<JsonValue> JsonValue::items() const
{
    if (!data_->is_array())
        refuse("not a list");
    std::vector<JsonValue> items;
    for (const Json &item : *data_)
        items.emplace_back(item, fmt::format("{}[{}]", where_, items.size()));
    return items;
}

std::vector<std::pair<std::string, JsonValue>> JsonValue::members() const
{
    if (!data_->is_object())
        refuse("not an object");
    std::vector<std::pair<std::string, JsonValue>> members;
    for (const auto &[key, member] : data_->items())
        members.emplace_back(key, JsonValue(member, where_.empty() ? key : where_ + "." + key));
    return members;
}

JsonObject::JsonObject(const JsonValue &value) : value_(value)
{
    for (auto &[key, member] : value.members())
        members_.emplace(key, std::move(member));
}

std::optional<JsonValue> JsonObject::find(const std::string &key)
{
    const auto found = members_.find(key);
    if (found == members_.end())
        return std::nullopt;
    JsonValue value = std::move(found->second);
    members_.erase(found);
    return value;
}

JsonValue JsonObject::find_needed(const std::string &key)
{
    std::optional<JsonValue> value = find(key);
    if (!value)
        value_.refuse("\"" + key + "\" is missing");
    return *value;
}

void JsonObject::finish() const
{
    if (!members_.empty())
        value_.refuse("unknown key \"" + members_.begin()->first + "\"");
}

void from_json(const JsonValue &value, std::string &target)
{
    target = value.text();
}

void from_json(const JsonValue &value, bool &target)
{
    target = value.boolean();
}

void from_json(const JsonValue &value, Ip &target)
{
    target = parsed<Ip>(value, "not an IP address");
}

void from_json(const JsonValue &value, Mac &target)
{
    target = parsed<Mac>(value, "not a MAC address");
}

void from_json(const JsonValue &value, Prefix &target)
{
    target = parsed<Prefix>(value, "not an IP address with a prefix length");
}

Result<> read_json(std::string_view text, std::string_view operation, std::string_view source,
                   const std::function<void(const JsonValue &)> &read)
{
    try {
        const Json json = Json::parse(text);
        read(JsonValue(json, ""));
    } catch (const JsonError &error) {
        return usage_failure(operation, source,
                             error.where.empty() ? error.why : error.where + ": " + error.why);
    } catch (const Json::parse_error &error) {
        return usage_failure(operation, source, fmt::format("not JSON at byte {}", error.byte));
    }
    return {};
}

} // namespace xvtep
