// Products with weights stored in 16 or 32 bits, computed in float32.
//
// A block of a panel is multiplied with one tile of rows after another (Goto and van de Geijn,
// doi:10.1145/1356052.1356053). The first tile widens the weights as it reads them, so that memory
// is waited for while computing, and leaves them in the first-level cache for the others.
#include <type_traits>

#include "kernels.h"
#include "matmul.h"

namespace rostra::matmul {
namespace {

constexpr int64_t BLOCK_K = 320;   // of a panel: with a tile's rows of x, most of 32 KiB
constexpr int64_t BLOCK_ROWS = 192;  // of x: BLOCK_K columns of them stay in the second-level cache

struct Problem {
    const void* weight;
    const float* bias;
    const float* x;
    int64_t x_stride;
    float* out;
    int64_t rows, columns, k;
    int threads;
};

// sums [R, PANEL] += x [R, k] @ w [k, PANEL]. Weights that are not float32 are left, widened, in
// `wide`.
template <class T, int R>
__attribute__((noinline)) void tile(const T* __restrict w, float* __restrict wide, int64_t k,
                                    const float* __restrict x, int64_t x_stride,
                                    float* __restrict sums, int64_t stride) {
    vf sum[R][2];
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        sum[r][0] = load(sums + r * stride);
        sum[r][1] = load(sums + r * stride + W);
    }
    for (int64_t i = 0; i < k; ++i) {
        const vf low = load(w + i * PANEL), high = load(w + i * PANEL + W);
        if constexpr (!std::is_same_v<T, float>) {
            store(wide + i * PANEL, low);
            store(wide + i * PANEL + W, high);
        }
#pragma GCC unroll 16
        for (int r = 0; r < R; ++r) {
            const vf value = splat(x[r * x_stride + i]);
            sum[r][0] += value * low;
            sum[r][1] += value * high;
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
        store(sums + r * stride, sum[r][0]);
        store(sums + r * stride + W, sum[r][1]);
    }
}

// Rows of x from `row` on, as many as a tile takes or as are left, times a block of a panel.
template <class T>
int64_t next_tile(const Problem& p, const T* weight, float* wide, int64_t column, int64_t row,
                  int64_t last_row, int64_t first_k, int64_t k) {
    const int64_t count = even_share(last_row - row, MR);
    Sums sums(p.out + row * p.columns + column, p.columns, count, p.columns - column);
    if (first_k == 0) sums.start_with(p.bias ? p.bias + column : nullptr);
    with_constant(count, [&](auto rows) {
        tile<T, rows>(weight, wide, k, p.x + row * p.x_stride + first_k, p.x_stride, sums.data(),
                      sums.stride());
    });
    return row + count;
}

template <class T>
void multiply(const Problem& p) {
    const int64_t panels = (p.columns + PANEL - 1) / PANEL;
    const int64_t block_rows = round_up(even_share(p.rows, BLOCK_ROWS), MR);
    const int64_t row_blocks = (p.rows + block_rows - 1) / block_rows;
    const int64_t block_k = even_share(p.k, BLOCK_K);
    const int64_t k_blocks = (p.k + block_k - 1) / block_k;
    const bool few = p.rows <= MR;
    // Panels in turn share a block of x in the second-level cache; enough turns for every thread.
    const int64_t group = std::clamp<int64_t>(panels * row_blocks / (4 * p.threads), 1, 8);
    const int64_t groups = (panels + group - 1) / group;
#pragma omp parallel num_threads(p.threads)
    {
        alignas(64) float wide[BLOCK_K * PANEL];
#pragma omp for schedule(dynamic) nowait
        for (int64_t task = 0; task < groups * row_blocks; ++task) {
            const int64_t first_row = task / groups * block_rows;
            const int64_t last_row = std::min(p.rows, first_row + block_rows);
            const int64_t first_panel = task % groups * group;
            const int64_t count = std::min(panels, first_panel + group) - first_panel;
            for (int64_t step = 0; step < count * k_blocks; ++step) {
                // Few rows read weights in the order of memory; many read a block of x once.
                const int64_t first_k = (few ? step % k_blocks : step / count) * block_k;
                const int64_t panel = first_panel + (few ? step / k_blocks : step % count);
                const int64_t k = std::min(block_k, p.k - first_k);
                const int64_t column = panel * PANEL;
                const T* weight = static_cast<const T*>(p.weight) + column * p.k + first_k * PANEL;
                const float* rest = wide;
                if constexpr (std::is_same_v<T, float>) rest = weight;
                int64_t row = next_tile(p, weight, wide, column, first_row, last_row, first_k, k);
                while (row < last_row) {
                    row = next_tile(p, rest, wide, column, row, last_row, first_k, k);
                }
            }
        }
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

using namespace rostra;
using namespace rostra::matmul;

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

// out [rows, n], contiguous, = x [rows, k] @ weight.T + bias. `dtype` is the panels'. Rows of x are
// `x_stride` elements apart; `bias` is null, or padded to whole panels.
EXPORT void rostra_matmul_float(int64_t dtype, const void* panels, const float* bias,
                                const float* x, int64_t x_stride, float* out, int64_t rows,
                                int64_t n, int64_t k, int64_t threads) {
    const Problem problem{panels, bias, x, x_stride, out, rows, n, k, int(threads)};
    if (rows == 0) return;
    if (dtype == FLOAT32) multiply<float>(problem);
    if (dtype == FLOAT16) multiply<f16>(problem);
    if (dtype == BFLOAT16) multiply<bf16>(problem);
}
