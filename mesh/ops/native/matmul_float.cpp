// Products with weights stored in 16 or 32 bits, computed in float32.
//
// With few rows the time goes into reading the weights, so each is widened in registers as it is
// read. With many, a block of a panel is widened once into the first-level cache and multiplied
// with one tile of rows after another (Goto and van de Geijn, doi:10.1145/1356052.1356053).
#include <type_traits>

#include "matmul.h"

namespace rostra::matmul {
namespace {

constexpr int64_t BLOCK_K = 320;   // of a panel: with a tile's rows of x, most of 32 KiB
constexpr int64_t BLOCK_ROWS = 192;  // of x: BLOCK_K columns of them stay in the second-level cache

struct Float32 {
    using stored = float;
    static floats widen(const float* from) { return load<floats>(from); }
};

struct Float16 {
    using stored = uint16_t;
    static floats widen(const uint16_t* from) { return from_float16(from); }
};

struct BFloat16 {
    using stored = uint16_t;
    static floats widen(const uint16_t* from) {
        return (floats)(__builtin_convertvector(load<halves>(from), uints) << 16);
    }
};

// out [R, columns] = init + x [R, k] @ w [k, PANEL], or added to what is in out.
template <class T, int R>
inline void tile(const typename T::stored* __restrict w, int64_t k, const float* __restrict x,
                 int64_t x_stride, const float* init, bool add, float* __restrict out,
                 int64_t out_stride, int64_t columns) {
    floats sum[R][2];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        if (add) {
            load_columns(out + r * out_stride, sum[r], columns);
        } else {
            sum[r][0] = init ? load<floats>(init) : floats{};
            sum[r][1] = init ? load<floats>(init + VL) : floats{};
        }
    }
    for (int64_t i = 0; i < k; ++i, w += PANEL) {
        const floats low = T::widen(w), high = T::widen(w + VL);
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const floats value = splat(x[r * x_stride + i]);
            sum[r][0] += value * low;
            sum[r][1] += value * high;
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) store_columns(out + r * out_stride, sum[r], columns);
}

struct Problem {
    const void* weight;
    const float* bias;
    const float* x;
    int64_t x_stride;
    float* out;
    int64_t rows, columns, k;
    int threads;
};

template <class T>
void few_rows(const Problem& p) {
    const int64_t panels = (p.columns + PANEL - 1) / PANEL;
    const auto* weight = static_cast<const typename T::stored*>(p.weight);
    with_constant(p.rows, [&](auto rows) {
#pragma omp parallel for schedule(static) num_threads(p.threads)
        for (int64_t panel = 0; panel < panels; ++panel) {
            const int64_t column = panel * PANEL;
            tile<T, rows>(weight + column * p.k, p.k, p.x, p.x_stride,
                          p.bias ? p.bias + column : nullptr, false, p.out + column, p.columns,
                          std::min<int64_t>(PANEL, p.columns - column));
        }
    });
}

template <class T>
void block(const Problem& p, int64_t panel, int64_t first_row, int64_t last_row, int64_t first_k,
           int64_t last_k, float* scratch) {
    const int64_t column = panel * PANEL, k = last_k - first_k;
    const auto* weight =
        static_cast<const typename T::stored*>(p.weight) + column * p.k + first_k * PANEL;
    for (int64_t i = 0; i < k * PANEL; i += VL) store(scratch + i, T::widen(weight + i));
    for (int64_t row = first_row; row < last_row;) {
        const int64_t tile_rows = even_share(last_row - row, MR);
        with_constant(tile_rows, [&](auto rows) {
            tile<Float32, rows>(scratch, k, p.x + row * p.x_stride + first_k, p.x_stride,
                                p.bias ? p.bias + column : nullptr, first_k > 0,
                                p.out + row * p.columns + column, p.columns,
                                std::min<int64_t>(PANEL, p.columns - column));
        });
        row += tile_rows;
    }
}

template <class T>
void many_rows(const Problem& p) {
    const int64_t panels = (p.columns + PANEL - 1) / PANEL;
    const int64_t row_blocks = (p.rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
    const int64_t block_rows = (p.rows + row_blocks * MR - 1) / (row_blocks * MR) * MR;
    const int64_t k_blocks = (p.k + BLOCK_K - 1) / BLOCK_K;
    const int64_t block_k = (p.k + k_blocks - 1) / k_blocks;
    // Panels in turn share a block of x in the second-level cache; enough turns for every thread.
    const int64_t group =
        std::clamp<int64_t>(panels * row_blocks / (4 * p.threads), 1, 8);
    const int64_t groups = (panels + group - 1) / group;
#pragma omp parallel num_threads(p.threads)
    {
        alignas(64) float scratch[BLOCK_K * PANEL];
#pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < groups * row_blocks; ++task) {
            const int64_t first_row = task / groups * block_rows;
            const int64_t last_row = std::min(p.rows, first_row + block_rows);
            const int64_t first_panel = task % groups * group;
            const int64_t last_panel = std::min(panels, first_panel + group);
            for (int64_t k = 0; k < p.k; k += block_k) {
                for (int64_t panel = first_panel; panel < last_panel; ++panel) {
                    block<T>(p, panel, first_row, last_row, k, std::min(p.k, k + block_k), scratch);
                }
            }
        }
    }
}

template <class T>
void multiply(const Problem& p) {
    if (p.rows <= MR) {
        few_rows<T>(p);
    } else {
        many_rows<T>(p);
    }
}

template <class T>
void pack(const T* weight, int64_t n, int64_t k, T* panels) {
#pragma omp parallel for schedule(static)
    for (int64_t first = 0; first < n; first += PANEL) {
        T* panel = panels + first * k;
        const int64_t rows = std::min<int64_t>(PANEL, n - first);
        for (int64_t i = 0; i < k; ++i) {
            for (int64_t r = 0; r < PANEL; ++r) {
                panel[i * PANEL + r] = r < rows ? weight[(first + r) * k + i] : T{};
            }
        }
    }
}

}  // namespace
}  // namespace rostra::matmul

using namespace rostra::matmul;

#define EXPORT extern "C" __attribute__((visibility("default")))

// Rows of a weight in a panel.
EXPORT int64_t rostra_matmul_panel() { return PANEL; }

// weight [n, k], contiguous, of `size` bytes an element, to panels: n rounded up to whole panels.
EXPORT void rostra_matmul_float_pack(const void* weight, int64_t size, int64_t n, int64_t k,
                                     void* panels) {
    if (size == 2) {
        pack(static_cast<const uint16_t*>(weight), n, k, static_cast<uint16_t*>(panels));
    } else {
        pack(static_cast<const float*>(weight), n, k, static_cast<float*>(panels));
    }
}

// out [rows, n], contiguous, = x [rows, k] @ weight.T + bias. `format` is that of the panels:
// 0 float32, 1 float16, 2 bfloat16. Rows of x are `x_stride` elements apart; `bias` is null, or
// padded to whole panels.
EXPORT void rostra_matmul_float(int64_t format, const void* panels, const float* bias,
                                const float* x, int64_t x_stride, float* out, int64_t rows,
                                int64_t n, int64_t k, int64_t threads) {
    const Problem problem{panels, bias, x, x_stride, out, rows, n, k, int(threads)};
    if (rows == 0) return;
    if (format == 0) multiply<Float32>(problem);
    if (format == 1) multiply<Float16>(problem);
    if (format == 2) multiply<BFloat16>(problem);
}
