// Products of a group of quantised weights with quantised rows, as integers, by what the machine
// multiplies bytes with.
#pragma once

#include "matmul.h"

namespace rostra::matmul {

constexpr int GROUP = 32;

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

    // Sums over a group: w are its codes; rows of x are `stride` elements apart.
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

}  // namespace rostra::matmul
