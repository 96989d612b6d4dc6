// What the matrix products share: vectors of the machine's width, and the formats of weights.
//
// A weight [N, K] lies in panels of PANEL rows of it, which become columns of the output. All
// kernels add up a column's products one after the other in the order of K, however many rows are
// multiplied at once, so that a row of the output does not depend on its company.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "simd.h"

namespace rostra::matmul {

constexpr int MR = W == 16 ? 12 : 6;  // rows of a tile: its sums leave registers for the operands
constexpr int PANEL = 2 * W;

inline vi splat(int32_t value) { return value - vi{}; }
using rostra::splat;

// Of vectors of any kind.
template <class V>
inline V load_as(const void* from) {
    V value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

// The columns of a tile that are real, to `to`.
inline void store_columns(float* to, const vf (&values)[2], int64_t columns) {
    if (columns == PANEL) {
        store(to, values[0]);
        store(to + W, values[1]);
    } else {
        std::memcpy(to, values, columns * sizeof(float));
    }
}

inline void load_columns(const float* from, vf (&values)[2], int64_t columns) {
    if (columns == PANEL) {
        values[0] = load(from);
        values[1] = load(from + W);
    } else {
        values[0] = values[1] = vf{};
        std::memcpy(values, from, columns * sizeof(float));
    }
}

// The first of as few parts of at most `most` as `count` can be cut into evenly.
inline int64_t even_share(int64_t count, int64_t most) {
    const int64_t parts = (count + most - 1) / most;
    return (count + parts - 1) / parts;
}

inline int64_t round_up(int64_t number, int64_t multiple) {
    return (number + multiple - 1) / multiple * multiple;
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
