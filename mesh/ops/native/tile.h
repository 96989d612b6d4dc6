// Small matrix products on packed float32 panels, held in registers.
#pragma once

#include <utility>

#include "simd.h"

namespace rostra {

// Rows and vectors of a panel: as many accumulators as leave registers for the operands.
constexpr int PANEL_ROWS = W == 16 ? 12 : 6;
constexpr int PANEL_VECTORS = 2;
constexpr int PANEL_COLUMNS = PANEL_VECTORS * W;

// C[R, PANEL_COLUMNS] (+)= A[R, depth] B[depth, PANEL_COLUMNS], rows `lda`, `ldb`, `ldc` apart.
template <int R, bool ADD>
__attribute__((noinline)) void panel_product(const float* a, int64_t lda, const float* b,
                                             int64_t ldb, float* c, int64_t ldc, int64_t depth) {
    vf sums[R][PANEL_VECTORS];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < PANEL_VECTORS; v++)
            sums[r][v] = ADD ? load(c + r * ldc + v * W) : vf{};
    for (int64_t k = 0; k < depth; k++) {
        vf row[PANEL_VECTORS];
        for (int v = 0; v < PANEL_VECTORS; v++) row[v] = load(b + k * ldb + v * W);
        for (int r = 0; r < R; r++)
            for (int v = 0; v < PANEL_VECTORS; v++) sums[r][v] += a[r * lda + k] * row[v];
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < PANEL_VECTORS; v++) store(c + r * ldc + v * W, sums[r][v]);
}

template <bool ADD, int R>
inline void rows_product(const float* a, int64_t lda, const float* b, int64_t ldb, float* c,
                         int64_t ldc, int64_t depth, int64_t columns) {
    for (int64_t n = 0; n < columns; n += PANEL_COLUMNS)
        panel_product<R, ADD>(a, lda, b + n, ldb, c + n, ldc, depth);
}

template <bool ADD, int... R>
inline void choose_rows(std::integer_sequence<int, R...>, int64_t rows, const float* a, int64_t lda,
                        const float* b, int64_t ldb, float* c, int64_t ldc, int64_t depth,
                        int64_t columns) {
    ((rows == R + 1 ? rows_product<ADD, R + 1>(a, lda, b, ldb, c, ldc, depth, columns) : void()),
     ...);
}

// The same for 1 to PANEL_ROWS rows and any number of columns that PANEL_COLUMNS divides.
template <bool ADD>
inline void product(int64_t rows, const float* a, int64_t lda, const float* b, int64_t ldb,
                    float* c, int64_t ldc, int64_t depth, int64_t columns) {
    choose_rows<ADD>(std::make_integer_sequence<int, PANEL_ROWS>{}, rows, a, lda, b, ldb, c, ldc,
                     depth, columns);
}

#if defined(__AVX__)
inline __m256 load8(const float* p) { return _mm256_loadu_ps(p); }

inline __m256 load8(const bf16* p) {
    typedef uint16_t eight __attribute__((vector_size(16)));
    typedef uint32_t wide __attribute__((vector_size(32)));
    eight half;
    std::memcpy(&half, p, sizeof(half));
    return bitcast<__m256>(__builtin_convertvector(half, wide) << 16);
}

inline __m256 load8(const f16* p) {
#if defined(__F16C__)
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p));
#else
    float x[8];
    for (int i = 0; i < 8; i++) x[i] = to_float(p[i]);
    return _mm256_loadu_ps(x);
#endif
}

// to[d * stride + key] = from[key][d] for eight keys and eight d.
template <class T>
inline void transpose8(const T* const* from, int64_t d, float* to, int64_t stride) {
    __m256 x[8], y[8];
    for (int i = 0; i < 8; i++) x[i] = load8(from[i] + d);
    for (int i = 0; i < 4; i++) {
        y[2 * i] = _mm256_unpacklo_ps(x[2 * i], x[2 * i + 1]);
        y[2 * i + 1] = _mm256_unpackhi_ps(x[2 * i], x[2 * i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
        x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
        x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
        x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(to + (d + i) * stride, _mm256_permute2f128_ps(x[i], x[i + 4], 0x20));
        _mm256_storeu_ps(to + (d + i + 4) * stride, _mm256_permute2f128_ps(x[i], x[i + 4], 0x31));
    }
}
#endif

// to[d * stride + key] = from[key][d] for `count` keys; columns from there to `padded` are zero.
template <class T>
inline void pack_transposed(const T* const* from, int64_t count, int64_t padded, int64_t depth,
                            float* to, int64_t stride) {
    int64_t key = 0;
#if defined(__AVX__)
    const int64_t whole = depth / 8 * 8;
    for (; key + 8 <= count; key += 8) {
        for (int64_t d = 0; d < whole; d += 8) transpose8(from + key, d, to + key, stride);
        for (int64_t d = whole; d < depth; d++)
            for (int i = 0; i < 8; i++) to[d * stride + key + i] = to_float(from[key + i][d]);
    }
#endif
    for (; key < count; key++)
        for (int64_t d = 0; d < depth; d++) to[d * stride + key] = to_float(from[key][d]);
    for (int64_t d = 0; d < depth; d++)
        for (int64_t i = count; i < padded; i++) to[d * stride + i] = 0;
}

// to[i] = from[i] * factor for `count` elements, then zeros up to `padded`.
template <class T>
inline void pack_row(const T* from, int64_t count, int64_t padded, float factor, float* to) {
    const int64_t whole = count / W * W;
    for (int64_t i = 0; i < whole; i += W) store(to + i, load(from + i) * factor);
    for (int64_t i = whole; i < count; i++) to[i] = to_float(from[i]) * factor;
    for (int64_t i = count; i < padded; i++) to[i] = 0;
}

}  // namespace rostra
