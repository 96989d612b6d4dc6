// Products with weights of 4 or 8 bits. Each row of x is quantised in groups of 32 as it comes,
// and a group's products are added up as integers, which is exact.
//
// A panel is a run of groups along K. Those of a group lie together: the codes, interleaved so that
// the lanes of a vector are columns and no sum runs across lanes; a float16 scale for each column;
// with 4 bits, a float16 minimum for each column.
#include <memory>
#include <type_traits>

#include "matmul.h"

namespace rostra::matmul {
namespace {

constexpr int GROUP = 32;
constexpr int64_t BLOCK_BYTES = 192 << 10;  // of quantised rows: they stay in the second-level cache

typedef uint8_t bytes __attribute__((vector_size(W * 4)));

#if defined(__AVX512VNNI__) || (defined(__AVXVNNI__) && !defined(__AVX512F__))
#define ROSTRA_VNNI
inline vi dot4(vi sum, bytes unsigned_codes, bytes signed_codes) {
#if defined(__AVX512VNNI__)
    return (vi)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)unsigned_codes, (__m512i)signed_codes);
#else
    return (vi)_mm256_dpbusd_epi32((__m256i)sum, (__m256i)unsigned_codes, (__m256i)signed_codes);
#endif
}
#elif defined(__AVX512BW__) || (defined(__AVX2__) && !defined(__AVX512F__))
#define ROSTRA_MADD
typedef int16_t shorts __attribute__((vector_size(W * 4)));
// Sums of two products of bytes; of two products of 16 bits.
inline shorts dot2(bytes unsigned_codes, bytes signed_codes) {
#if defined(__AVX512BW__)
    return (shorts)_mm512_maddubs_epi16((__m512i)unsigned_codes, (__m512i)signed_codes);
#else
    return (shorts)_mm256_maddubs_epi16((__m256i)unsigned_codes, (__m256i)signed_codes);
#endif
}
inline vi dot2(shorts a, shorts b) {
#if defined(__AVX512BW__)
    return (vi)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#else
    return (vi)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#endif
}
#endif

// Codes 0 to 15, of a vector's columns in the low halves of its bytes and of the next's in the high.
struct Int4 {
    using activation = int8_t;
    static constexpr int LIMIT = 127;
    static constexpr bool HAS_MINIMUM = true;
    static constexpr float EXCESS = 0;
    static constexpr int CODE_BYTES = GROUP * PANEL / 2;
#if defined(ROSTRA_VNNI) || defined(ROSTRA_MADD)
    static constexpr int INTERLEAVE = 4;
#else
    static constexpr int INTERLEAVE = 1;
#endif

    template <int R>
    static void dot(const uint8_t* w, const int8_t* x, int64_t stride, vi (&sum)[R][2]) {
#if defined(ROSTRA_MADD)
        // Eight times 2 * 15 * 127 is less than 2^15.
        shorts partial[R][2] = {};
#pragma GCC unroll 2
        for (int i = 0; i < GROUP; i += 4, w += W * 4) {
            const bytes both = load_as<bytes>(w);
            const bytes low = both & 15, high = (bytes)((shorts)both >> 4) & 15;
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const bytes values = (bytes)splat(load_as<int32_t>(x + r * stride + i));
                partial[r][0] += dot2(low, values);
                partial[r][1] += dot2(high, values);
            }
        }
        const shorts ones = shorts{} + 1;
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            sum[r][0] = dot2(partial[r][0], ones);
            sum[r][1] = dot2(partial[r][1], ones);
        }
#elif defined(ROSTRA_VNNI)
        for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = vi{};
#pragma GCC unroll 2
        for (int i = 0; i < GROUP; i += 4, w += W * 4) {
            const bytes both = load_as<bytes>(w);
            const bytes low = both & 15, high = (bytes)((vu)both >> 4) & 15;
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const bytes values = (bytes)splat(load_as<int32_t>(x + r * stride + i));
                sum[r][0] = dot4(sum[r][0], low, values);
                sum[r][1] = dot4(sum[r][1], high, values);
            }
        }
#else
        typedef uint8_t column_bytes __attribute__((vector_size(W)));
        for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = vi{};
        for (int i = 0; i < GROUP; ++i, w += W) {
            const column_bytes both = load_as<column_bytes>(w);
            const vi low = __builtin_convertvector(both & 15, vi);
            const vi high = __builtin_convertvector(both >> 4, vi);
            for (int r = 0; r < R; ++r) {
                const vi value = splat(int32_t{x[r * stride + i]});
                sum[r][0] += low * value;
                sum[r][1] += high * value;
            }
        }
#endif
    }
};

// Codes -127 to 127.
//
// EXCESS is what `dot` adds to them where it needs them without a sign.
struct Int8 {
    static constexpr bool HAS_MINIMUM = false;
    static constexpr int CODE_BYTES = GROUP * PANEL;
#if defined(ROSTRA_MADD)
    // Products of 16 bits are the fastest there are for 8 signed ones, so x keeps 16.
    using activation = int16_t;
    static constexpr int LIMIT = 32767;
    static constexpr int INTERLEAVE = 2;
    static constexpr float EXCESS = 0;
#elif defined(ROSTRA_VNNI)
    using activation = int8_t;
    static constexpr int LIMIT = 127;
    static constexpr int INTERLEAVE = 4;
    static constexpr float EXCESS = 128;
#else
    using activation = int8_t;
    static constexpr int LIMIT = 127;
    static constexpr int INTERLEAVE = 1;
    static constexpr float EXCESS = 0;
#endif

    template <int R>
    static void dot(const uint8_t* w, const activation* x, int64_t stride, vi (&sum)[R][2]) {
        for (int r = 0; r < R; ++r) sum[r][0] = sum[r][1] = vi{};
#if defined(ROSTRA_MADD)
        typedef int8_t half_bytes __attribute__((vector_size(W * 2)));
#pragma GCC unroll 4
        for (int i = 0; i < GROUP; i += 2, w += W * 4) {
            const shorts low = __builtin_convertvector(load_as<half_bytes>(w), shorts);
            const shorts high = __builtin_convertvector(load_as<half_bytes>(w + W * 2), shorts);
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const shorts values = (shorts)splat(load_as<int32_t>(x + r * stride + i));
                sum[r][0] += dot2(low, values);
                sum[r][1] += dot2(high, values);
            }
        }
#elif defined(ROSTRA_VNNI)
        const bytes flip = bytes{} + 128;
#pragma GCC unroll 2
        for (int i = 0; i < GROUP; i += 4, w += W * 8) {
            const bytes low = load_as<bytes>(w) ^ flip, high = load_as<bytes>(w + W * 4) ^ flip;
#pragma GCC unroll 16
            for (int r = 0; r < R; ++r) {
                const bytes values = (bytes)splat(load_as<int32_t>(x + r * stride + i));
                sum[r][0] = dot4(sum[r][0], low, values);
                sum[r][1] = dot4(sum[r][1], high, values);
            }
        }
#else
        typedef int8_t column_bytes __attribute__((vector_size(W)));
        for (int i = 0; i < GROUP; ++i, w += PANEL) {
            const vi low = __builtin_convertvector(load_as<column_bytes>(w), vi);
            const vi high = __builtin_convertvector(load_as<column_bytes>(w + W), vi);
            for (int r = 0; r < R; ++r) {
                const vi value = splat(int32_t{x[r * stride + i]});
                sum[r][0] += low * value;
                sum[r][1] += high * value;
            }
        }
#endif
    }
};

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

// Memory that a thread keeps between calls, grown when it is too small.
uint8_t* scratch(int64_t size) {
    thread_local std::unique_ptr<uint8_t[]> memory;
    thread_local int64_t capacity = 0;
    if (capacity < size) {
        memory.reset(new uint8_t[size]);
        capacity = size;
    }
    return memory.get();
}

template <class F>
void multiply(const Problem& p) {
    const int64_t groups = (p.k + GROUP - 1) / GROUP;
    const int64_t panels = (p.columns + PANEL - 1) / PANEL;
    const int64_t count = p.rows * groups;
    auto* scales = reinterpret_cast<float*>(
        scratch(count * (2 * sizeof(float) + GROUP * sizeof(typename F::activation))));
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

#define EXPORT extern "C" __attribute__((visibility("default")))

// Bytes of a packed weight [n, groups * 32].
EXPORT int64_t rostra_matmul_integer_bytes(int64_t bits, int64_t n, int64_t groups) {
    const int64_t panels = (n + PANEL - 1) / PANEL;
    return panels * groups *
           (bits == 4 ? group_bytes<Int4> : group_bytes<Int8>);
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
    const Problem problem{packed, bias, x,    x_stride, factor,
                                  out,    rows, n, k,        int(threads)};
    if (rows == 0) return;
    if (bits == 4) multiply<Int4>(problem);
    if (bits == 8) multiply<Int8>(problem);
}
