// Low-rank adapters, a different one for each token.
//
// A token's result is the same to the last bit whatever other tokens are computed with it: the order
// of its sums depends on nothing but the sizes of its adapter.
#pragma GCC optimize("no-tree-vectorize")  // vectors are written out; only compiling gets slower

#include <omp.h>

#include <algorithm>
#include <vector>

#include "kernels.h"
#include "scratch.h"
#include "simd.h"

namespace rostra {
namespace {

constexpr int64_t MOST_TOKENS = 4;   // of a block: they share what is read of the adapter
constexpr int64_t COMPONENTS = 16;   // of a task
constexpr int64_t COLUMNS = 512;     // of a task
// Multiplications below which a second thread costs more than it saves.
constexpr int64_t PARALLEL_FROM = 1 << 17;

// a * b + c in one rounding, said outright: left to themselves, compilers fuse in one loop and not in
// another, as their model of the processor has it, and the last bits of a sum would depend on how
// many tokens a loop is for.
inline vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
    return bitcast<vf>(_mm512_fmadd_ps(bitcast<__m512>(a), bitcast<__m512>(b), bitcast<__m512>(c)));
#elif defined(__AVX__) && defined(__FMA__)
    return bitcast<vf>(_mm256_fmadd_ps(bitcast<__m256>(a), bitcast<__m256>(b), bitcast<__m256>(c)));
#else
    return a * b + c;
#endif
}

inline float fma(float a, float b, float c) {
#if defined(__FMA__) || defined(__aarch64__)
    return __builtin_fmaf(a, b, c);
#else
    return a * b + c;
#endif
}

// Tokens that stand side by side and share an adapter.
struct Block {
    int64_t first, count, slot;
};

template <class T>
struct Problem {
    const T* x;
    int64_t x_stride;
    const T* a;  // [slots, outputs, max_rank, depth]
    const T* b;  // [slots, max_rank, columns]
    const int32_t* ranks;
    int64_t max_rank, depth, outputs;
    const int64_t* ends;  // [outputs], behind the last column of each
    T* out;
    int64_t out_stride;
    float* hidden;  // [tokens, outputs, max_rank]

    int64_t columns() const { return ends[outputs - 1]; }
    int64_t width() const { return outputs * max_rank; }
};

// C tokens times R rows of A.
template <class T, int C, int R>
void dots(const T* x, int64_t x_stride, const T* a, int64_t depth, float* hidden, int64_t width) {
    vf sums[C][R] = {};
    const int64_t whole = depth / W * W;
    for (int64_t k = 0; k < whole; k += W) {
        vf row[R];
#pragma GCC unroll 4
        for (int r = 0; r < R; r++) row[r] = load(a + r * depth + k);
#pragma GCC unroll 4
        for (int c = 0; c < C; c++) {
            const vf value = load(x + c * x_stride + k);
#pragma GCC unroll 4
            for (int r = 0; r < R; r++) sums[c][r] = fma(value, row[r], sums[c][r]);
        }
    }
    for (int c = 0; c < C; c++) {
        for (int r = 0; r < R; r++) {
            float rest = 0;
            for (int64_t k = whole; k < depth; k++)
                rest = fma(to_float(x[c * x_stride + k]), to_float(a[r * depth + k]), rest);
            hidden[c * width + r] = sum(sums[c][r]) + rest;
        }
    }
}

template <class T, int C>
void shrink(const Problem<T>& p, const Block& block, int64_t output, int64_t first, int64_t last) {
    const T* x = p.x + block.first * p.x_stride;
    const T* a = p.a + (block.slot * p.outputs + output) * p.max_rank * p.depth;
    float* hidden = p.hidden + block.first * p.width() + output * p.max_rank;
    int64_t r = first;
    for (; r + 2 <= last; r += 2)
        dots<T, C, 2>(x, p.x_stride, a + r * p.depth, p.depth, hidden + r, p.width());
    if (r < last) dots<T, C, 1>(x, p.x_stride, a + r * p.depth, p.depth, hidden + r, p.width());
}

// Adds to columns `first` to `last` of an output.
template <class T, int C>
void expand(const Problem<T>& p, const Block& block, int64_t output, int64_t first, int64_t last) {
    const int64_t rank = p.ranks[block.slot], columns = p.columns(), width = p.width();
    const float* hidden = p.hidden + block.first * width + output * p.max_rank;
    const T* b = p.b + block.slot * p.max_rank * columns;
    T* out = p.out + block.first * p.out_stride;
    int64_t n = first;
    for (; n + 2 * W <= last; n += 2 * W) {
        vf sums[C][2] = {};
        for (int64_t r = 0; r < rank; r++) {
            const vf low = load(b + r * columns + n), high = load(b + r * columns + n + W);
#pragma GCC unroll 4
            for (int c = 0; c < C; c++) {
                const vf value = splat(hidden[c * width + r]);
                sums[c][0] = fma(value, low, sums[c][0]);
                sums[c][1] = fma(value, high, sums[c][1]);
            }
        }
        for (int c = 0; c < C; c++) {
            T* to = out + c * p.out_stride + n;
            store(to, load(to) + sums[c][0]);
            store(to + W, load(to + W) + sums[c][1]);
        }
    }
    for (; n < last; n++) {
        for (int c = 0; c < C; c++) {
            float total = 0;
            for (int64_t r = 0; r < rank; r++)
                total = fma(hidden[c * width + r], to_float(b[r * columns + n]), total);
            T* to = out + c * p.out_stride + n;
            *to = from_float<T>(to_float(*to) + total);
        }
    }
}

template <class Body>
void with_count(int64_t count, Body&& body) {
    switch (count) {
        case 1: body(std::integral_constant<int, 1>{}); break;
        case 2: body(std::integral_constant<int, 2>{}); break;
        case 3: body(std::integral_constant<int, 3>{}); break;
        default: body(std::integral_constant<int, 4>{}); break;
    }
}

// Work on some components, or columns, of one output for one block.
struct Task {
    int64_t block, output, first, last;
};

template <class T>
void add(Problem<T> p, int64_t num_tokens, const int32_t* slots) {
    static thread_local std::vector<Block> blocks;
    static thread_local std::vector<Task> shrinks, expands;
    static thread_local Buffer buffer;
    blocks.clear();
    shrinks.clear();
    expands.clear();
    int64_t work = 0;
    for (int64_t token = 0; token < num_tokens;) {
        const int64_t slot = slots[token], first = token;
        while (token < num_tokens && slots[token] == slot && token - first < MOST_TOKENS) token++;
        if (slot < 0 || p.ranks[slot] == 0) continue;
        const int64_t rank = p.ranks[slot], block = blocks.size();
        blocks.push_back({first, token - first, slot});
        work += (token - first) * rank * (p.depth * p.outputs + p.columns());
        for (int64_t output = 0; output < p.outputs; output++) {
            for (int64_t r = 0; r < rank; r += COMPONENTS)
                shrinks.push_back({block, output, r, std::min(rank, r + COMPONENTS)});
            for (int64_t n = output ? p.ends[output - 1] : 0; n < p.ends[output]; n += COLUMNS)
                expands.push_back({block, output, n, std::min(p.ends[output], n + COLUMNS)});
        }
    }
    if (blocks.empty()) return;
    p.hidden = buffer.floats(num_tokens * p.width());
    const int threads = work < PARALLEL_FROM ? 1 : omp_get_max_threads();
    const Block* block_list = blocks.data();
    const Task *shrink_list = shrinks.data(), *expand_list = expands.data();
    const int64_t num_shrinks = shrinks.size(), num_expands = expands.size();
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
#pragma omp for schedule(dynamic)
        for (int64_t i = 0; i < num_shrinks; i++) {
            const Task task = shrink_list[i];
            const Block& block = block_list[task.block];
            with_count(block.count, [&](auto count) {
                shrink<T, count>(p, block, task.output, task.first, task.last);
            });
        }
#pragma omp for schedule(dynamic) nowait
        for (int64_t i = 0; i < num_expands; i++) {
            const Task task = expand_list[i];
            const Block& block = block_list[task.block];
            with_count(block.count, [&](auto count) {
                expand<T, count>(p, block, task.output, task.first, task.last);
            });
        }
    }
}

}  // namespace
}  // namespace rostra

using namespace rostra;

// out [T, columns] += x [T, depth] @ A.T @ B.T of the adapter in each token's slot; slots [T] are
// -1 where there is none. The strides, of tokens, are in elements. The others as in Problem.
EXPORT void rostra_lora(int64_t dtype, int64_t num_tokens, const int32_t* slots, const void* x,
                        int64_t x_stride, const void* a, const void* b, const int32_t* ranks,
                        int64_t max_rank, int64_t depth, int64_t outputs, const int64_t* ends,
                        void* out, int64_t out_stride) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        add<T>({(const T*)x, x_stride, (const T*)a, (const T*)b, ranks, max_rank, depth, outputs,
                ends, (T*)out, out_stride, nullptr},
               num_tokens, slots);
    });
}
