// SPDX-License-Identifier: GPL-2.0-only
#include "user/agent/json.h"

#include <utility>

#include <nlohmann/json.hpp>

namespace xvtep::agent {
namespace {

std::string ascii_line(const nlohmann::json &value)
{
    return value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

} // namespace

Json::Json()
{
    static const auto null = std::make_shared<const nlohmann::json>();
    value_ = null;
}

Json::Json(std::shared_ptr<const nlohmann::json> value) : value_(std::move(value))
{
}

Json Json::parse(std::string_view text)
{
    return Json(
        std::make_shared<const nlohmann::json>(nlohmann::json::parse(text, nullptr, false)));
}

bool Json::is_null() const
{
    return value_->is_null();
}

bool Json::is_object() const
{
    return value_->is_object();
}

bool Json::is_array() const
{
    return value_->is_array();
}

bool Json::is_string() const
{
    return value_->is_string();
}

bool Json::is_true() const
{
    return value_->is_boolean() && value_->get<bool>();
}

const std::string &Json::text() const
{
    static const std::string none;
    return is_string() ? value_->get_ref<const std::string &>() : none;
}

std::optional<std::uint64_t> Json::number() const
{
    if (!value_->is_number_unsigned())
        return std::nullopt;
    return value_->get<std::uint64_t>();
}

std::optional<Json> Json::find(const char *name) const
{
    if (!is_object())
        return std::nullopt;
    const auto found = value_->find(name);
    if (found == value_->end())
        return std::nullopt;
    return Json({value_, &*found});
}

Json Json::member(const char *name) const
{
    return find(name).value_or(Json());
}

std::size_t Json::size() const
{
    return value_->is_structured() ? value_->size() : 0;
}

std::vector<Json> Json::elements() const
{
    std::vector<Json> all;
    if (!is_array())
        return all;
    all.reserve(value_->size());
    for (const auto &element : *value_)
        all.push_back(Json({value_, &element}));
    return all;
}

std::string Json::dump() const
{
    return ascii_line(*value_);
}

std::string json_string(std::string_view text)
{
    return ascii_line(nlohmann::json(std::string(text)));
}

} // namespace xvtep::agent
