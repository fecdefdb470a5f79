// SPDX-License-Identifier: GPL-2.0-only
// What an agent reads: records, files, answers of commands, frames.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

#include <fmt/format.h>

#include "tests/fuzz/target.h"
#include "user/agent/etcd/base64.h"
#include "user/agent/etcd/keys.h"
#include "user/agent/etcd/options.h"
#include "user/agent/exec_directory.h"
#include "user/agent/file_directory.h"
#include "user/agent/loop.h"
#include "user/agent/record.h"
#include "user/agent/snoop.h"
#include "user/agent/state_file.h"
#include "user/base/fd.h"

namespace xvtep::fuzz {
namespace {

using namespace xvtep::agent;

const Key of_mac{42, *Mac::parse("02:00:00:00:00:01")};
const Key of_ip{42, *Ip::parse("10.20.1.3")};

// A file in memory. Its directory takes no further files.
class File {
  public:
    explicit File(std::string_view text) : fd_(::memfd_create("xvtep", MFD_CLOEXEC))
    {
        check(::write(fd_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()),
              "a file in memory can be written");
        path_ = fmt::format("/proc/self/fd/{}", fd_.get());
    }
    [[nodiscard]] const std::string &path() const { return path_; }

  private:
    Fd fd_;
    std::string path_;
};

void run_record(std::string_view input)
{
    for (const Key &key : {of_mac, of_ip})
        if (const auto record = parse_record(key, input)) {
            check(answers(*record, key), "a record belongs to its key");
            check(!what_is_wrong(*record), "a record is right");
            const auto again = parse_record(key, to_json(*record));
            check(again && *again == *record, "a record is read as it is written");
        } else {
            check(!record.error().message().empty(), "an error has a text");
        }
}

void run_exec(std::string_view input)
{
    (void)parse_exec_answer(of_ip, std::string(input));
}

void run_line(std::string_view input)
{
    const auto line = parse_line(input.substr(0, input.find('\n')));
    if (!line || !*line)
        return;
    const std::string text = to_line(**line);
    check(text.find('\n') == std::string::npos, "a line is a line");
    const auto again = parse_line(text);
    check(again && *again && (*again)->record == (*line)->record && (*again)->node == (*line)->node,
          "a line is read as it is written");
}

struct Nobody : Directory::Client {
    void changed(const Key &, const std::optional<Record> &) override {}
    void resync() override {}
};

void run_file(std::string_view input)
{
    const File file(input);
    auto loop = Loop::make();
    Nobody nobody;
    auto directory = make_file_directory(*loop, nobody, {file.path(), "one"});
    if (!directory)
        return;
    (*directory)->watch({42});
    for (const Key &key : {of_mac, of_ip})
        (*directory)->look_up(key, [&](const Directory::Answer &answer) {
            check(!answer || !*answer || answers(**answer, key), "an answer belongs to its key");
        });
    loop->run(Loop::Clock::now());
}

void run_state(std::string_view input)
{
    const File file(input);
    const auto endpoints = read_state(file.path());
    if (!endpoints)
        check(!endpoints.error().message().empty(), "an error has a text");
}

void run_frame(std::string_view input)
{
    const std::vector<std::uint8_t> frame(input.begin(), input.end());
    const auto heard = parse_frame(frame);
    if (!heard)
        return;
    (void)heard->ip.text();
    if (heard->wanted) {
        const auto answer = answer_frame(*heard, heard->mac);
        (void)parse_frame(answer);
    }
    const auto announced = announcement_frame(heard->ip, heard->mac, heard->vlan);
    const auto again = parse_frame(announced);
    check(!again || again->ip == heard->ip, "an announcement is of its address");
}

void run_etcd_values(std::string_view input)
{
    if (const auto bytes = from_base64(input))
        check(from_base64(base64(*bytes)) == bytes, "base64 is read as it is written");
    const auto key = parse_etcd_key("/xvtep/v1", input);
    if (key)
        check(parse_etcd_key("/xvtep/v1", etcd_key("/xvtep/v1", *key)) == key,
              "a key is read as it is written");
    (void)parse_etcd_url(input);
    const Json json = Json::parse(input);
    (void)etcd_number(json, "revision");
    (void)etcd_record(of_ip, json);
}

std::string of(std::initializer_list<std::uint8_t> bytes)
{
    return {bytes.begin(), bytes.end()};
}

std::vector<std::string> frame_seeds()
{
    const std::string all(6, '\xff'), me = of({2, 0, 0, 0, 0, 1}), none(6, '\0');
    const std::string arp =
        of({8, 6, 0, 1, 8, 0, 6, 4, 0, 1}) + me + of({10, 20, 1, 2}) + none + of({10, 20, 1, 3});
    std::string v6 = of({0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255, 0xfd});
    v6 += std::string(14, '\0') + "\1" + "\xff\2" + std::string(9, '\0') + of({1, 0xff, 0, 0, 2});
    const std::string nd =
        of({135, 0, 0, 0, 0, 0, 0, 0, 0xfd}) + std::string(14, '\0') + "\2" + of({1, 1}) + me;
    return {all + me + arp, all + me + of({0x81, 0, 0, 7}) + arp, all + me + v6 + nd,
            all + me + of({0x88, 0xa8, 0, 7}) + v6 + nd};
}

constexpr const char *record =
    R"({"vni":42,"mac":"02:00:00:00:00:01","ip":"10.20.1.3","vtep":"192.0.2.1","port":4790})";

std::vector<std::string> record_seeds()
{
    return {record,
            "{}",
            "null",
            "",
            R"({"vtep":"fd00::1"})",
            R"({"vni":42,"mac":"02:00:00:00:00:01","vtep":"192.0.2.1","by":"one","more":[1,{}]})"};
}

std::vector<std::string> line_seeds()
{
    return {std::string(record), "# comment", "",
            R"({"vni":42,"mac":"02:00:00:00:00:01","vtep":"192.0.2.1","by":"o\u0000\n\"ne"})"};
}

std::vector<std::string> file_seeds()
{
    return {std::string(record) + "\n# comment\n\n" + record + "\n" + record, "\xef\xbb\xbf\r\n"};
}

std::vector<std::string> state_seeds()
{
    return {R"([{"device":"p1","ips":["10.20.1.3","fd20::3"],"mac":"02:00:00:00:00:01",)"
            R"("vlan":7,"vni":42}])",
            "[]", "[{}]", "{"};
}

std::vector<std::string> etcd_seeds()
{
    return {"/xvtep/v1/42/mac/02:00:00:00:00:01", "/xvtep/v1/42/ip/10.20.1.3",
            "https://u:p@[fd00::1]:2379,http://b/prefix",
            "AAEC/+8=", R"({"key":"L3h2dGVw","revision":"7","value":"e30="})"};
}

} // namespace

std::vector<Target> agent_targets()
{
    return {{"record", run_record, record_seeds},        {"exec", run_exec, record_seeds},
            {"file_line", run_line, line_seeds},         {"file", run_file, file_seeds},
            {"state_file", run_state, state_seeds},      {"frame", run_frame, frame_seeds},
            {"etcd_values", run_etcd_values, etcd_seeds}};
}

} // namespace xvtep::fuzz
