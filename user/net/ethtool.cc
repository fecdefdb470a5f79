// SPDX-License-Identifier: GPL-2.0-only
#include "user/net/ethtool.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "user/base/fd.h"

namespace xvtep {

namespace {

// The structures of ethtool end in arrays whose length the kernel decides. A vector of words is
// aligned for all of them.
class Buffer {
  public:
    explicit Buffer(std::size_t bytes) : words_((bytes + 7) / 8) {}
    template <class T> T *as() { return reinterpret_cast<T *>(words_.data()); }
    char *bytes(std::size_t offset) { return as<char>() + offset; }

  private:
    std::vector<std::uint64_t> words_;
};

struct FeatureBit {
    std::size_t count = 0; // of the device's features
    std::size_t index = 0;

    [[nodiscard]] std::size_t blocks() const { return (count + 31) / 32; }
    [[nodiscard]] std::size_t block() const { return index / 32; }
    [[nodiscard]] std::uint32_t mask() const { return 1U << index % 32; }
};

struct FeatureState {
    bool active;
    bool fixed;
};

class Device {
  public:
    static Result<Device> open(const char *operation, const std::string &ifname,
                               const std::string &feature)
    {
        if (ifname.empty() || ifname.size() >= IFNAMSIZ)
            return usage_failure(operation, ifname, "not an interface name");
        Fd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        if (!fd)
            return errno_failure(operation, ifname, errno);
        return Device(operation, ifname, feature, std::move(fd));
    }

    Result<FeatureBit> find()
    {
        FeatureBit bit;
        TRY_ASSIGN(bit.count, string_count());
        Buffer buffer(sizeof(ethtool_gstrings) + bit.count * ETH_GSTRING_LEN);
        auto *const strings = buffer.as<ethtool_gstrings>();
        strings->cmd = ETHTOOL_GSTRINGS;
        strings->string_set = ETH_SS_FEATURES;
        strings->len = static_cast<std::uint32_t>(bit.count);
        TRY(call(strings));
        for (; bit.index < bit.count; bit.index++) {
            const char *const name =
                buffer.bytes(sizeof(ethtool_gstrings) + bit.index * ETH_GSTRING_LEN);
            if (feature_ == std::string_view(name, ::strnlen(name, ETH_GSTRING_LEN)))
                return bit;
        }
        return system_failure(operation_, object(), "no such feature");
    }

    Result<FeatureState> get(const FeatureBit &bit)
    {
        Buffer buffer(sizeof(ethtool_gfeatures) +
                      bit.blocks() * sizeof(ethtool_get_features_block));
        auto *const features = buffer.as<ethtool_gfeatures>();
        features->cmd = ETHTOOL_GFEATURES;
        features->size = static_cast<std::uint32_t>(bit.blocks());
        TRY(call(features));
        const ethtool_get_features_block &block = features->features[bit.block()];
        return FeatureState{(block.active & bit.mask()) != 0,
                            !(block.available & bit.mask()) ||
                                (block.never_changed & bit.mask()) != 0};
    }

    Result<> set(const FeatureBit &bit, bool on)
    {
        Buffer buffer(sizeof(ethtool_sfeatures) +
                      bit.blocks() * sizeof(ethtool_set_features_block));
        auto *const features = buffer.as<ethtool_sfeatures>();
        features->cmd = ETHTOOL_SFEATURES;
        features->size = static_cast<std::uint32_t>(bit.blocks());
        ethtool_set_features_block &block = features->features[bit.block()];
        block.valid = bit.mask();
        block.requested = on ? bit.mask() : 0;
        return call(features);
    }

    [[nodiscard]] Failure failure(std::string_view cause) const
    {
        return system_failure(operation_, object(), cause);
    }

  private:
    Device(const char *operation, std::string ifname, std::string feature, Fd fd)
        : operation_(operation), ifname_(std::move(ifname)), feature_(std::move(feature)),
          fd_(std::move(fd))
    {
    }

    [[nodiscard]] std::string object() const { return feature_ + " dev " + ifname_; }

    Result<> call(void *data)
    {
        ifreq request{};
        std::memcpy(request.ifr_name, ifname_.data(), ifname_.size());
        request.ifr_data = static_cast<char *>(data);
        if (::ioctl(fd_.get(), SIOCETHTOOL, &request) < 0)
            return errno_failure(operation_, object(), errno);
        return {};
    }

    Result<std::size_t> string_count()
    {
        Buffer buffer(sizeof(ethtool_sset_info) + sizeof(std::uint32_t));
        auto *const info = buffer.as<ethtool_sset_info>();
        info->cmd = ETHTOOL_GSSET_INFO;
        info->sset_mask = 1ULL << ETH_SS_FEATURES;
        TRY(call(info));
        return info->sset_mask ? info->data[0] : 0;
    }

    const char *operation_;
    std::string ifname_, feature_;
    Fd fd_;
};

} // namespace

Result<bool> device_feature(const std::string &ifname, const std::string &feature)
{
    TRY_ASSIGN(Device device, Device::open("read feature", ifname, feature));
    TRY_ASSIGN(const FeatureBit bit, device.find());
    TRY_ASSIGN(const FeatureState state, device.get(bit));
    return state.active;
}

Result<> set_device_feature(const std::string &ifname, const std::string &feature,
                            FeatureSetting wanted)
{
    const bool on = wanted == FeatureSetting::on;
    TRY_ASSIGN(Device device, Device::open("set feature", ifname, feature));
    TRY_ASSIGN(const FeatureBit bit, device.find());
    TRY_ASSIGN(const FeatureState before, device.get(bit));
    if (before.fixed) {
        if (before.active != on)
            return device.failure("feature is fixed");
        return {};
    }
    TRY(device.set(bit, on));
    // The ioctl also succeeds if a feature on which this one depends is off.
    TRY_ASSIGN(const FeatureState after, device.get(bit));
    if (after.active != on)
        return device.failure(std::string("the device keeps it ") + (on ? "off" : "on"));
    return {};
}

bool is_unsupported(const Error &error)
{
    return error.code == 0 || error.code == EOPNOTSUPP;
}

} // namespace xvtep
