// Memory that a thread keeps from call to call: fresh memory costs its page faults each time.
#pragma once

#include <cstdint>
#include <cstdlib>

namespace rostra {

class Buffer {
public:
    Buffer() = default;
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { std::free(data_); }

    // At least `count` floats at a cache line's start. What was in them may be lost.
    float* floats(int64_t count) {
        if (count > size_) {
            std::free(data_);
            size_ = (count + count / 2 + 15) / 16 * 16;
            data_ = static_cast<float*>(std::aligned_alloc(64, size_ * sizeof(float)));
            if (!data_) std::abort();
        }
        return data_;
    }

private:
    float* data_ = nullptr;
    int64_t size_ = 0;
};

}  // namespace rostra
