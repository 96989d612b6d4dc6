// Products with weights of 4 or 8 bits. Each row of x is quantised in groups of 32 as it comes,
// and a group's products are added up as integers, which is exact.
//
// A panel is a run of groups along K. Those of a group lie together: the codes, interleaved so that
// the lanes of a vector are columns and no sum runs across lanes; a float16 scale for each column;
// with 4 bits, a float16 minimum for each column.
#include "kernels.h"
#include "matmul_dot.h"
#include "scratch.h"

namespace rostra::matmul {
namespace {

constexpr int64_t BLOCK_BYTES = 192 << 10;  // of quantised rows: they stay in the second-level cache

template <class F>
constexpr int group_bytes = F::CODE_BYTES + PANEL * 2 * (F::HAS_MINIMUM ? 2 : 1);

// Quantised rows: x is about scale * code.
template <class F>
struct Rows {
    typename F::activation* codes;  // [rows, groups * GROUP]
    float* scales;                  // [rows, groups]
    float* sums;                    // [rows, groups], of scale * code
    int64_t groups;

    Rows from(int64_t row) const {
        return {codes + row * groups * GROUP, scales + row * groups, sums + row * groups, groups};
    }
};

// A group with an infinity or NaN gets a scale of NaN, which makes all its products NaN.
template <class F>
void quantise_row(const float* x, int64_t k, float factor, const Rows<F>& row) {
    for (int64_t g = 0; g < row.groups; ++g) {
        alignas(64) float values[GROUP] = {};
        std::memcpy(values, x + g * GROUP, std::min<int64_t>(GROUP, k - g * GROUP) * sizeof(float));
        vu largest = {};
        for (int i = 0; i < GROUP; i += W) {
            const vu magnitude = load_as<vu>(values + i) & 0x7fffffff;
            largest = magnitude > largest ? magnitude : largest;
        }
        uint32_t bits = 0;
        for (int i = 0; i < W; ++i) bits = std::max(bits, uint32_t{largest[i]});
        float limit;
        std::memcpy(&limit, &bits, sizeof limit);
        const bool finite = bits < 0x7f800000;
        const float inverse = finite && limit > 1e-30f ? F::LIMIT / limit : 0.0f;
        // Added to a number, leaves it rounded in the low bits of the mantissa.
        constexpr float ROUND = 0x1.8p23f;
        int32_t codes[GROUP];
        int32_t sum = 0;
        for (int i = 0; i < GROUP; ++i) {
            const float shifted = (finite ? values[i] : 0.0f) * inverse + ROUND;
            int32_t code;
            std::memcpy(&code, &shifted, sizeof code);
            codes[i] = code - 0x4b400000;
            sum += codes[i];
        }
        for (int i = 0; i < GROUP; ++i) row.codes[g * GROUP + i] = codes[i];
        const float scale = finite ? (limit > 1e-30f ? limit / F::LIMIT : 0.0f) : __builtin_nanf("");
        row.scales[g] = scale * factor;
        row.sums[g] = row.scales[g] * sum;
    }
}

// sums [R, PANEL] += x [R, groups * GROUP] @ w.
template <class F, int R>
__attribute__((noinline)) void tile(const uint8_t* __restrict w, const Rows<F> x,
                                    float* __restrict sums, int64_t stride) {
    vf sum[R][2];
    for (int r = 0; r < R; ++r) {
        sum[r][0] = load(sums + r * stride);
        sum[r][1] = load(sums + r * stride + W);
    }
    for (int64_t g = 0; g < x.groups; ++g, w += group_bytes<F>) {
        vi dot[R][2];
        F::template dot<R>(w, x.codes + g * GROUP, x.groups * GROUP, dot);
        const auto* columns_of = reinterpret_cast<const f16*>(w + F::CODE_BYTES);
        const vf scale[2] = {load(columns_of), load(columns_of + W)};
        vf minimum[2] = {};
        if constexpr (F::HAS_MINIMUM) {
            minimum[0] = load(columns_of + PANEL);
            minimum[1] = load(columns_of + PANEL + W);
        } else if constexpr (F::EXCESS > 0) {
            minimum[0] = scale[0] * -F::EXCESS;
            minimum[1] = scale[1] * -F::EXCESS;
        }
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const vf x_scale = splat(x.scales[r * x.groups + g]);
            const vf x_sum = splat(x.sums[r * x.groups + g]);
            for (int half = 0; half < 2; ++half) {
                sum[r][half] +=
                    __builtin_convertvector(dot[r][half], vf) * (scale[half] * x_scale);
                if constexpr (F::HAS_MINIMUM || F::EXCESS > 0) sum[r][half] += minimum[half] * x_sum;
            }
        }
    }
    for (int r = 0; r < R; ++r) {
        store(sums + r * stride, sum[r][0]);
        store(sums + r * stride + W, sum[r][1]);
    }
}

struct Problem {
    const uint8_t* weight;
    const float* bias;
    const float* x;
    int64_t x_stride;
    float factor;
    float* out;
    int64_t rows, columns, k;
    int threads;
};

template <class F>
void multiply(const Problem& p) {
    const int64_t groups = (p.k + GROUP - 1) / GROUP;
    const int64_t panels = (p.columns + PANEL - 1) / PANEL;
    const int64_t count = p.rows * groups;
    thread_local Buffer buffer;
    float* scales = buffer.floats(
        count * int64_t(2 + GROUP * sizeof(typename F::activation) / sizeof(float)));
    const Rows<F> rows{reinterpret_cast<typename F::activation*>(scales + 2 * count), scales,
                       scales + count, groups};
    const int64_t row_bytes = groups * GROUP * sizeof(typename F::activation);
    const int64_t most_rows = std::max<int64_t>(MR, BLOCK_BYTES / row_bytes);
    const int64_t block_rows = round_up(even_share(p.rows, most_rows), MR);
    const int64_t row_blocks = (p.rows + block_rows - 1) / block_rows;
    const int64_t group =
        std::clamp<int64_t>(panels * row_blocks / (4 * p.threads), 1, 8);
    const int64_t panel_groups = (panels + group - 1) / group;
    const bool few = p.rows <= MR;
    if (few) {
        for (int64_t r = 0; r < p.rows; ++r)
            quantise_row(p.x + r * p.x_stride, p.k, p.factor, rows.from(r));
    }
#pragma omp parallel num_threads(p.threads)
    {
        if (!few) {
#pragma omp for schedule(static)
            for (int64_t r = 0; r < p.rows; ++r)
                quantise_row(p.x + r * p.x_stride, p.k, p.factor, rows.from(r));
        }
#pragma omp for schedule(dynamic) nowait
        for (int64_t task = 0; task < panel_groups * row_blocks; ++task) {
            const int64_t first_row = task / panel_groups * block_rows;
            const int64_t last_row = std::min(p.rows, first_row + block_rows);
            const int64_t first_panel = task % panel_groups * group;
            const int64_t last_panel = std::min(panels, first_panel + group);
            for (int64_t panel = first_panel; panel < last_panel; ++panel) {
                const int64_t column = panel * PANEL;
                const uint8_t* weight = p.weight + panel * groups * group_bytes<F>;
                for (int64_t row = first_row; row < last_row;) {
                    const int64_t tile_rows = even_share(last_row - row, MR);
                    Sums sums(p.out + row * p.columns + column, p.columns, tile_rows,
                              p.columns - column);
                    sums.start_with(p.bias ? p.bias + column : nullptr);
                    with_constant(tile_rows, [&](auto constant) {
                        tile<F, constant>(weight, rows.from(row), sums.data(), sums.stride());
                    });
                    row += tile_rows;
                }
            }
        }
    }
}

template <class F>
void pack(const uint8_t* codes, const uint16_t* scales, const uint16_t* minima, int64_t n,
          int64_t groups, uint8_t* packed) {
    constexpr int I = F::INTERLEAVE;
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < n; first += PANEL) {
        uint8_t* to = packed + first / PANEL * groups * group_bytes<F>;
        const int64_t rows = std::min<int64_t>(PANEL, n - first);
        for (int64_t g = 0; g < groups; ++g, to += group_bytes<F>) {
            std::memset(to, 0, group_bytes<F>);
            auto* columns_of = reinterpret_cast<uint16_t*>(to + F::CODE_BYTES);
            for (int64_t r = 0; r < rows; ++r) {
                const int64_t place = (first + r) * groups + g;
                const uint8_t* from = codes + place * GROUP;
                columns_of[r] = scales[place];
                if constexpr (F::HAS_MINIMUM) {
                    columns_of[PANEL + r] = minima[place];
                    for (int i = 0; i < GROUP; ++i)
                        to[i / I * W * I + r % W * I + i % I] |= from[i] << (r < W ? 0 : 4);
                } else {
                    for (int i = 0; i < GROUP; ++i) to[i / I * PANEL * I + r * I + i % I] = from[i];
                }
            }
        }
    }
}

}  // namespace
}  // namespace rostra::matmul

using namespace rostra::matmul;

// Bytes of a packed weight [n, groups * 32].
EXPORT int64_t rostra_matmul_integer_bytes(int64_t bits, int64_t n, int64_t groups) {
    const int64_t panels = (n + PANEL - 1) / PANEL;
    return panels * groups * (bits == 4 ? group_bytes<Int4> : group_bytes<Int8>);
}

// codes [n, groups * 32], uint8 of 0 to 15 with 4 bits, int8 of -127 to 127 with 8; scales and
// minima, float16 [n, groups], the latter null with 8 bits.
EXPORT void rostra_matmul_integer_pack(int64_t bits, const uint8_t* codes, const uint16_t* scales,
                                       const uint16_t* minima, int64_t n, int64_t groups,
                                       uint8_t* packed) {
    if (bits == 4) pack<Int4>(codes, scales, minima, n, groups, packed);
    if (bits == 8) pack<Int8>(codes, scales, minima, n, groups, packed);
}

// out [rows, n], contiguous, = factor * x [rows, k] @ weight.T + bias. Rows of x are `x_stride`
// elements apart; `bias` is null, or padded to whole panels.
EXPORT void rostra_matmul_integer(int64_t bits, const uint8_t* packed, const float* bias,
                                  float factor, const float* x, int64_t x_stride, float* out,
                                  int64_t rows, int64_t n, int64_t k, int64_t threads) {
    const Problem problem{packed, bias, x, x_stride, factor, out, rows, n, k, int(threads)};
    if (rows == 0) return;
    if (bits == 4) multiply<Int4>(problem);
    if (bits == 8) multiply<Int8>(problem);
}
