// What the matrix products share: vectors of the machine's width, and the formats of weights.
//
// A weight [N, K] lies in panels of PANEL rows of it, which become columns of the output. All
// kernels add up a column's products one after the other in the order of K, however many rows are
// multiplied at once, so that a row of the output does not depend on its company.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rostra::matmul {

#if defined(__AVX512F__)
constexpr int VL = 16;
constexpr int MR = 12;  // rows of a tile: 24 of 32 registers hold sums
#elif defined(__AVX2__)
constexpr int VL = 8;
constexpr int MR = 6;  // 12 of 16 registers
#else
constexpr int VL = 4;
constexpr int MR = 6;
#endif
constexpr int PANEL = 2 * VL;

typedef float floats __attribute__((vector_size(VL * 4)));
typedef int32_t ints __attribute__((vector_size(VL * 4)));
typedef uint32_t uints __attribute__((vector_size(VL * 4)));
typedef uint16_t halves __attribute__((vector_size(VL * 2)));

template <class V>
inline V load(const void* from) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

template <class V>
inline void store(void* to, V value) {
    std::memcpy(to, &value, sizeof value);
}

inline floats splat(float value) { return value - floats{}; }
inline ints splat(int32_t value) { return value - ints{}; }

inline floats from_float16(const uint16_t* from) {
#if defined(__AVX512F__)
    return (floats)_mm512_cvtph_ps(load<__m256i>(from));
#elif defined(__AVX2__) && defined(__F16C__)
    return (floats)_mm256_cvtph_ps(load<__m128i>(from));
#else
    // Of finite values only: the exponent is put in its place, and its bias made good.
    uints bits = __builtin_convertvector(load<halves>(from), uints);
    floats magnitude = (floats)((bits & 0x7fff) << 13) * 0x1p112f;
    return (floats)((uints)magnitude | ((bits & 0x8000) << 16));
#endif
}

// The columns of a tile that are real, to `to`.
inline void store_columns(float* to, const floats (&values)[2], int64_t columns) {
    if (columns == PANEL) {
        store(to, values[0]);
        store(to + VL, values[1]);
    } else {
        std::memcpy(to, values, columns * sizeof(float));
    }
}

inline void load_columns(const float* from, floats (&values)[2], int64_t columns) {
    if (columns == PANEL) {
        values[0] = load<floats>(from);
        values[1] = load<floats>(from + VL);
    } else {
        values[0] = values[1] = floats{};
        std::memcpy(values, from, columns * sizeof(float));
    }
}

// The first of as few parts of at most `most` as `count` can be cut into evenly.
inline int64_t even_share(int64_t count, int64_t most) {
    const int64_t parts = (count + most - 1) / most;
    return (count + parts - 1) / parts;
}

// Calls f with the constant `rows`, which is between 1 and MR.
template <int R = MR, class F>
inline void with_constant(int64_t rows, F&& f) {
    if constexpr (R > 1) {
        if (rows < R) return with_constant<R - 1>(rows, f);
    }
    f(std::integral_constant<int, R>{});
}

}  // namespace rostra::matmul
