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

// Where the sums of `rows` by PANEL are kept while they are added up: in the output, or, for the
// columns of a last panel that are padding, beside it.
class Sums {
public:
    // Rows of `out` are `stride` elements apart and have `columns` from here on.
    Sums(float* out, int64_t stride, int64_t rows, int64_t columns)
        : out_(out), out_stride_(stride), rows_(rows), columns_(columns) {
        if (whole()) return;
        for (int64_t r = 0; r < rows; ++r)
            std::memcpy(beside_ + r * PANEL, out + r * stride, columns * sizeof(float));
    }

    ~Sums() {
        if (whole()) return;
        for (int64_t r = 0; r < rows_; ++r)
            std::memcpy(out_ + r * out_stride_, beside_ + r * PANEL, columns_ * sizeof(float));
    }

    // The bias of the panel's columns, zero where it is null.
    void start_with(const float* bias) {
        for (int64_t r = 0; r < rows_; ++r) {
            store(data() + r * stride(), bias ? load(bias) : vf{});
            store(data() + r * stride() + W, bias ? load(bias + W) : vf{});
        }
    }

    float* data() { return whole() ? out_ : beside_; }
    int64_t stride() const { return whole() ? out_stride_ : PANEL; }

private:
    bool whole() const { return columns_ >= PANEL; }

    float* out_;
    int64_t out_stride_, rows_, columns_;
    float beside_[MR * PANEL];
};

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
