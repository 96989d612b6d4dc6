// Causal attention over a paged cache, for any mixture of prefill and decoding: online softmax in
// float32 (Milakov and Gimelshein, arXiv 1805.02867), long contexts split among threads and merged
// (Flash-Decoding). Slots beyond a sequence's length are never read.
#pragma GCC optimize("no-tree-vectorize")  // vectors are written out; only compiling gets slower

#include <omp.h>

#include <atomic>

#include "attention_row.h"
#include "attention_tile.h"

namespace rostra {
namespace {

// Multiplications that are worth waking another thread for.
constexpr int64_t WORK_PER_THREAD = 1 << 17;

template <class T>
void merge(const Attention<T>& a, const Merge& m, Buffer& buffer) {
    const int64_t rows = m.num_tokens * a.group, depth = a.head_dim;
    Task whole{};
    whole.first_token = m.first_token;
    whole.kv_head = m.kv_head;
    whole.partial = -1;
    float* sums = buffer.floats(depth);
    for (int64_t row = 0; row < rows; row++) {
        Softmax state;
        for (int64_t piece = 0; piece < m.pieces; piece++)
            state.maximum = std::max(state.maximum, a.partial(m.partial + piece * rows + row)[0]);
        std::memset(sums, 0, depth * sizeof(float));
        for (int64_t piece = 0; piece < m.pieces; piece++) {
            const float* part = a.partial(m.partial + piece * rows + row);
            const float factor = std::exp2(part[0] - state.maximum);
            state.sum += part[1] * factor;
            for (int64_t d = 0; d < depth; d++) sums[d] += part[2 + d] * factor;
        }
        finish(a, whole, row, state, sums);
    }
}

template <class T>
void paged_attention(Attention<T> a, const Step& step) {
    static thread_local Tasks kept;
    static thread_local Buffer kept_partials;
    Tasks& plan = kept;  // the caller's, not that of each thread below
    divide(step, a.num_kv_heads, a.group, a.window, plan);
    a.partials = kept_partials.floats(plan.partial_rows * (a.head_dim + 2));
    const int64_t count = plan.tasks.size(), merges = plan.merges.size();
    const int64_t useful = std::min(count, plan.cost * a.head_dim / WORK_PER_THREAD + 1);
    const int threads = std::min<int64_t>(useful, omp_get_max_threads());
    std::atomic<int64_t> next{0};
#pragma omp parallel num_threads(threads) if (threads > 1)
    {
        static thread_local Buffer buffer;
        for (int64_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) {
            const Task& task = plan.tasks[i];
            if (task.num_tokens == 1 && a.head_dim % W == 0) attend_row(a, step, task, buffer);
            else attend_tile(a, step, task, buffer);
        }
        if (merges) {
#pragma omp barrier
#pragma omp for
            for (int64_t i = 0; i < merges; i++) merge(a, plan.merges[i], buffer);
        }
    }
}

}  // namespace
}  // namespace rostra

using namespace rostra;

// query and out are [T, num_heads, head_dim]; out is contiguous. A window or a soft cap of 0 is none.
EXPORT void rostra_paged_attention(int64_t dtype, const Step* step, int64_t head_dim,
                                   const void* query, int64_t num_heads, int64_t query_token,
                                   int64_t query_head, const void* key_cache,
                                   const void* value_cache, int64_t num_kv_heads, void* out,
                                   float scale, int64_t window, float soft_cap) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        Attention<T> a{};
        a.query = {(const T*)query, num_heads, query_token, query_head};
        a.key_cache = (const T*)key_cache;
        a.value_cache = (const T*)value_cache;
        a.out = (T*)out;
        a.num_kv_heads = num_kv_heads;
        a.group = num_heads / num_kv_heads;
        a.head_dim = head_dim;
        a.scale = scale;
        a.soft_cap = soft_cap * LOG2_E;
        a.window = window ? window : INT32_MAX;
        paged_attention(a, *step);
    });
}
