// Runs kernels one after the other as they were called before, without Python between them.
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels.h"

namespace {

constexpr int MOST_ARGUMENTS = 21;

// One kernel and its arguments, each in eight bytes; of a float the lower four.
struct Call {
    int64_t kernel;
    int64_t arguments[MOST_ARGUMENTS];
};

template <class T>
T as(int64_t word) {
    if constexpr (std::is_pointer_v<T>) {
        return reinterpret_cast<T>(word);
    } else if constexpr (std::is_same_v<T, float>) {
        float value;
        std::memcpy(&value, &word, sizeof value);
        return value;
    } else {
        return word;
    }
}

template <class... Arguments, size_t... I>
void spread(void (*kernel)(Arguments...), const int64_t* words, std::index_sequence<I...>) {
    static_assert(sizeof...(Arguments) <= MOST_ARGUMENTS);
    kernel(as<Arguments>(words[I])...);
}

template <class... Arguments>
void call(void (*kernel)(Arguments...), const int64_t* words) {
    spread(kernel, words, std::index_sequence_for<Arguments...>{});
}

}  // namespace

// The numbers of the kernels are those of recording.py.
EXPORT void rostra_replay(const Call* calls, int64_t count) {
    for (const Call* c = calls; c < calls + count; ++c) {
        switch (c->kernel) {
            case 0: call(rostra_rms_norm, c->arguments); break;
            case 1: call(rostra_silu_and_mul, c->arguments); break;
            case 2: call(rostra_rope_and_cache, c->arguments); break;
            case 3: call(rostra_paged_attention, c->arguments); break;
            case 4: call(rostra_matmul_float, c->arguments); break;
            case 5: call(rostra_matmul_integer, c->arguments); break;
            case 10: call(rostra_lora, c->arguments); break;
            case 6: call(rostra_gelu_and_mul, c->arguments); break;
        }
    }
}
