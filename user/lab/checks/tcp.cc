// SPDX-License-Identifier: GPL-2.0-only
// "tcp": octets sent over TCP arrive as they were sent.
#include <fmt/format.h>

#include <algorithm>

#include "user/lab/check.h"
#include "user/lab/echo.h"
#include "user/lab/waiting.h"

namespace xvtep {

namespace {

class Tcp : public LabCheck {
  public:
    void read(JsonObject &json, const LabNames &names) override
    {
        pair_ = names.pair(json);
        json.take("bytes", bytes_, number_in<std::size_t>(1, 1u << 30));
    }

    void run(CheckRun &run) override
    {
        for (const LabFlow &flow : run.lab.flows(pair_))
            run.report(fmt::format("{} sends {} {} octets over TCP to {}", flow.from, flow.to,
                                   bytes_, flow.address.text()),
                       send(run, flow));
    }

  private:
    Result<std::string> send(CheckRun &run, const LabFlow &flow) const
    {
        TRY_ASSIGN(const auto took, transfer(run.node(flow.from).netns, run.node(flow.to).netns,
                                             flow.address, bytes_));
        const double rate =
            static_cast<double>(bytes_) * 8 / static_cast<double>(std::max<long>(took.count(), 1));
        return fmt::format("all as sent, {}, {:.0f} Mbit/s", milliseconds_text(took), rate);
    }

    LabPair pair_;
    std::size_t bytes_ = 4u << 20;
};

const CheckType<Tcp> tcp_check("tcp");

} // namespace

} // namespace xvtep
