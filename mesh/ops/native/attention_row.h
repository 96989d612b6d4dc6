// Attention of one token's heads: keys and values are used where they lie, each read once for all
// heads that share it, since reading them is what takes the time. They are fetched while earlier
// ones are used, a few lines at a time: the processor does not look far enough ahead by itself, and
// fetching many at once makes it wait.
#pragma once

#include "attention.h"

namespace rostra {

constexpr int ROWS_AT_ONCE = W == 16 ? 4 : 3;
template <class T>
constexpr int64_t CACHE_LINE = 64 / sizeof(T);

// The sums of four vectors' lanes.
inline void four_sums(vf a, vf b, vf c, vf d, float* out) {
#if defined(__AVX__)
    const auto add = [](auto x, auto y) { return x + y; };
    const __m128 ab = _mm_hadd_ps(fold(a, add), fold(b, add));
    const __m128 cd = _mm_hadd_ps(fold(c, add), fold(d, add));
    _mm_storeu_ps(out, _mm_hadd_ps(ab, cd));
#else
    const vf all[4] = {a, b, c, d};
    for (int i = 0; i < 4; i++) out[i] = sum(all[i]);
#endif
}

// scores[r * TILE_KEYS + j] = query row r times key j, for `count` keys rounded up to four.
template <int R, class T>
void score(const T* const* keys, int64_t count, const float* query, int64_t depth, float* scores) {
    constexpr int KEYS = R == 1 ? 8 : 4;
    for (int64_t j = 0; j < count; j += KEYS) {
        vf products[R][KEYS];
        for (int r = 0; r < R; r++)
            for (int i = 0; i < KEYS; i++) products[r][i] = vf{};
        for (int64_t d = 0; d < depth; d += W) {
            if (d % CACHE_LINE<T> == 0)
                for (int i = 0; i < KEYS; i++) __builtin_prefetch(keys[j + i + KEYS_AHEAD] + d);
            for (int i = 0; i < KEYS; i++) {
                const vf key = load(keys[j + i] + d);
                for (int r = 0; r < R; r++) products[r][i] += key * load(query + r * depth + d);
            }
        }
        for (int r = 0; r < R; r++)
            for (int i = 0; i < KEYS; i += 4)
                four_sums(products[r][i], products[r][i + 1], products[r][i + 2],
                          products[r][i + 3], scores + r * TILE_KEYS + j + i);
    }
}

// sums[r, d : d + V * W] += weights[r, j] * values[j, d : d + V * W] for all j.
template <int R, int V, class T>
inline void weigh_columns(const T* const* values, int64_t count, const float* weights, int64_t d,
                          int64_t depth, float* sums) {
    vf total[R][V];
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) total[r][v] = load(sums + r * depth + d + v * W);
    for (int64_t j = 0; j < count; j++) {
        for (int v = 0; v < V; v += CACHE_LINE<T> / W)
            __builtin_prefetch(values[j + KEYS_AHEAD] + d + v * W);
        for (int v = 0; v < V; v++) {
            const vf value = load(values[j] + d + v * W);
            for (int r = 0; r < R; r++) total[r][v] += weights[r * TILE_KEYS + j] * value;
        }
    }
    for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) store(sums + r * depth + d + v * W, total[r][v]);
}

template <int R, class T>
void weigh(const T* const* values, int64_t count, const float* weights, int64_t depth,
           float* sums) {
    constexpr int V = R == 1 ? 8 : 4;
    int64_t d = 0;
    for (; d + V * W <= depth; d += V * W)
        weigh_columns<R, V>(values, count, weights, d, depth, sums);
    for (; d < depth; d += W) weigh_columns<R, 1>(values, count, weights, d, depth, sums);
}

template <int R, class T>
void attend_keys(const Slots<T>& slots, int64_t count, const float* query, int64_t depth,
                 float soft_cap, float* scores, Softmax* states, float* sums) {
    const int64_t columns = (count + W - 1) / W * W;
    score<R>(slots.keys, count, query, depth, scores);
    for (int r = 0; r < R; r++) {
        float* row = scores + r * TILE_KEYS;
        if (soft_cap != 0) cap(row, columns, soft_cap);
        soften(row, 0, count, columns, states[r], sums + r * depth, depth);
    }
    weigh<R>(slots.values, count, scores, depth, sums);
}

// For heads whose size W divides. The task's keys are those in the token's window.
template <class T>
void attend_row(const Attention<T>& a, const Step& step, const Task& task, Buffer& buffer) {
    const int64_t depth = a.head_dim, rows = a.group;
    const float cap = a.soft_cap;
    float* scores = buffer.floats(ROWS_AT_ONCE * TILE_KEYS + rows * (2 * depth + SOFTMAX_FLOATS));
    float* query = scores + ROWS_AT_ONCE * TILE_KEYS;  // [rows, depth]
    float* sums = query + rows * depth;                // [rows, depth]
    Softmax* states = new (sums + rows * depth) Softmax[rows];
    Slots<T> slots;
    for (int64_t row = 0; row < rows; row++) {
        const T* from = a.query.at(task.first_token, task.kv_head * a.group + row);
        for (int64_t d = 0; d < depth; d += W)
            store(query + row * depth + d, load(from + d) * (a.scale * LOG2_E));
    }
    std::memset(sums, 0, rows * depth * sizeof(float));
    for (int64_t first = task.key_begin; first < task.key_end; first += TILE_KEYS) {
        const int64_t count = std::min(TILE_KEYS, task.key_end - first);
        slots.locate(a, step, task, first, count);
        for (int64_t row = 0; row < rows;) {
            const float* q = query + row * depth;
            float* s = sums + row * depth;
            const int64_t rest = rows - row;
            // Four rows are two and two rather than three and one.
            if (rest >= ROWS_AT_ONCE && rest != ROWS_AT_ONCE + 1) {
                attend_keys<ROWS_AT_ONCE>(slots, count, q, depth, cap, scores, states + row, s);
                row += ROWS_AT_ONCE;
            } else if (rest >= 2) {
                attend_keys<2>(slots, count, q, depth, cap, scores, states + row, s);
                row += 2;
            } else {
                attend_keys<1>(slots, count, q, depth, cap, scores, states + row, s);
                row += 1;
            }
        }
    }
    for (int64_t row = 0; row < rows; row++) finish(a, task, row, states[row], sums + row * depth);
}

}  // namespace rostra
