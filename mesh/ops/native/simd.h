// Vectors of float32 as wide as the machine's registers, and the 16-bit formats in memory.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace rostra {

#if defined(__AVX512F__)
constexpr int W = 16;
#elif defined(__AVX__)
constexpr int W = 8;
#else
constexpr int W = 4;
#endif

typedef float vf __attribute__((vector_size(4 * W)));
typedef int32_t vi __attribute__((vector_size(4 * W)));
typedef uint32_t vu __attribute__((vector_size(4 * W)));
typedef uint16_t vh __attribute__((vector_size(2 * W)));
typedef float unaligned __attribute__((vector_size(4 * W), aligned(4), may_alias));

struct bf16 {
    uint16_t bits;
};
struct f16 {
    uint16_t bits;
};

// The numbers that Python passes for a dtype.
enum DType : int64_t { FLOAT32 = 0, BFLOAT16 = 1, FLOAT16 = 2 };

template <class To, class From>
inline To bitcast(const From& from) {
    static_assert(sizeof(To) == sizeof(From), "sizes differ");
    To to;
    std::memcpy(&to, &from, sizeof(to));
    return to;
}

inline vf splat(float x) { return x - vf{}; }

inline float to_float(float x) { return x; }

inline float to_float(bf16 x) { return bitcast<float>(uint32_t(x.bits) << 16); }

inline float to_float(f16 x) {
#if defined(__F16C__)
    return _cvtsh_ss(x.bits);
#else
    const uint32_t magnitude = uint32_t(x.bits & 0x7fff) << 13;
    const uint32_t sign = uint32_t(x.bits & 0x8000) << 16;
    if (magnitude >= 0x0f800000) return bitcast<float>(sign | magnitude | 0x7f800000);
    return bitcast<float>(sign | bitcast<uint32_t>(bitcast<float>(magnitude) * 0x1p112f));
#endif
}

// Rounds to nearest, ties to even, as torch does.
template <class T>
T from_float(float x);

template <>
inline float from_float<float>(float x) {
    return x;
}

template <>
inline bf16 from_float<bf16>(float x) {
    const uint32_t bits = bitcast<uint32_t>(x);
    if (x != x) return bf16{0x7fc0};
    return bf16{uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

template <>
inline f16 from_float<f16>(float x) {
#if defined(__F16C__)
    return f16{uint16_t(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT))};
#else
    uint32_t bits = bitcast<uint32_t>(x);
    const uint16_t sign = uint16_t((bits >> 16) & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return f16{uint16_t(sign | 0x7e00)};
    if (bits >= 0x477ff000) return f16{uint16_t(sign | 0x7c00)};
    if (bits < 0x38800000) {  // subnormal: 0.5 has its last bit where theirs is
        const float shifted = bitcast<float>(bits) + 0.5f;
        return f16{uint16_t(sign | (bitcast<uint32_t>(shifted) - 0x3f000000))};
    }
    return f16{uint16_t(sign | ((bits - 0x38000000 + 0xfff + ((bits >> 13) & 1)) >> 13))};
#endif
}

inline vf load(const float* p) { return *reinterpret_cast<const unaligned*>(p); }

inline vf load(const bf16* p) {
    vh half;
    std::memcpy(&half, p, sizeof(half));
    return bitcast<vf>(__builtin_convertvector(half, vu) << 16);
}

inline vf load(const f16* p) {
#if defined(__AVX512F__)
    return bitcast<vf>(_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)));
#elif defined(__F16C__)
    return bitcast<vf>(_mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)));
#else
    vf v;
    for (int i = 0; i < W; i++) v[i] = to_float(p[i]);
    return v;
#endif
}

inline void store(float* p, vf v) { *reinterpret_cast<unaligned*>(p) = v; }

inline void store(bf16* p, vf v) {
    const vu bits = bitcast<vu>(v);
    const vu rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const vh half = __builtin_convertvector(v == v ? rounded : vu{} + 0x7fc0, vh);
    std::memcpy(p, &half, sizeof(half));
}

inline void store(f16* p, vf v) {
#if defined(__AVX512F__)
    _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(bitcast<__m512>(v), 0));
#elif defined(__F16C__)
    _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph(bitcast<__m256>(v), 0));
#else
    for (int i = 0; i < W; i++) p[i] = from_float<f16>(v[i]);
#endif
}

inline vf max(vf a, vf b) { return a > b ? a : b; }

#if defined(__AVX__)
// To four lanes, by adding or taking the larger.
template <class Fold>
inline __m128 fold(vf v, Fold&& both) {
#if defined(__AVX512F__)
    const __m512d wide = bitcast<__m512d>(v);
    const __m256 eight = both(_mm256_castpd_ps(_mm512_castpd512_pd256(wide)),
                              _mm256_castpd_ps(_mm512_extractf64x4_pd(wide, 1)));
#else
    const __m256 eight = bitcast<__m256>(v);
#endif
    return both(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
}
#endif

template <class Both>
inline float reduce(vf v, Both&& both) {
#if defined(__AVX__)
    __m128 x = fold(v, both);
    x = both(x, _mm_movehl_ps(x, x));
    return both(x, _mm_movehdup_ps(x))[0];
#else
    return both(both(v[0], v[1]), both(v[2], v[3]));
#endif
}

inline float sum(vf v) {
    return reduce(v, [](auto a, auto b) { return a + b; });
}

inline float max(vf v) {
    return reduce(v, [](auto a, auto b) { return a > b ? a : b; });
}

// 2^x is `scale` + `scale` * `rest`, where the rest is near 0 and as precise there as anywhere.
struct Power {
    vf scale;
    vf rest;
};

// For x up to 127; 0 below -126.5, where results would be subnormal.
inline Power power_of_two(vf x) {
    // Adding this leaves no bits for a fraction: the last ones are those of the nearest whole
    // number, plus the bias of an exponent.
    const float shift = 12582912.0f + 127.0f;
    const vf low = splat(-127.0f);
    x = low > x ? low : x;
    const vf shifted = x + shift;
    const vf r = x - (shifted - shift);
    // The polynomial of degree 6 with the least relative error for |r| <= 1/2: 2e-9, beside what
    // rounding adds.
    vf p = splat(1.535336206e-04f);
    p = p * r + 1.339887459e-03f;
    p = p * r + 9.618437359e-03f;
    p = p * r + 5.550332471e-02f;
    p = p * r + 2.402264791e-01f;
    p = p * r + 6.931472029e-01f;
    return {bitcast<vf>(bitcast<vu>(shifted) << 23), p * r};
}

// 2^x for x up to 127; 0 below -126.5.
inline vf exp2(vf x) {
    const Power power = power_of_two(x);
    return (power.rest + 1.0f) * power.scale;
}

// e^x; at most e^88.
inline vf exp(vf x) {
    const vf high = splat(88.0f);
    x = high < x ? high : x;
    const vf low = splat(-88.0f);
    x = low > x ? low : x;
    const float shift = 12582912.0f;
    const vf n = (x * 1.442695041f + shift) - shift;
    // ln 2 in two parts, the first short enough for n times it to be exact.
    const vf r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    return exp2(r * 1.442695041f) * exp2(n);
}

// (e^2x - 1) / (e^2x + 1), where e^2x - 1 keeps its precision near 0.
inline vf tanh(vf x) {
    const vf high = splat(20.0f);  // 1 from here on
    x = high < x ? high : x;
    x = -high > x ? -high : x;
    const Power power = power_of_two(x * (2 * 1.442695041f));
    const vf less_one = power.scale * power.rest + (power.scale - 1.0f);
    return less_one / (less_one + 2.0f);
}

}  // namespace rostra
