// What the two ways of computing a task share. Scores are powers of two, not of e: the factor
// log2(e) goes into the queries together with the scale.
#pragma once

#include <new>

#include "attention_tasks.h"
#include "scratch.h"
#include "simd.h"
#include "step.h"

namespace rostra {

constexpr int64_t TILE_KEYS = 128;
constexpr int64_t KEYS_AHEAD = 16;  // rows of the cache between the one in use and the one fetched
constexpr float LOG2_E = 1.442695041f;

template <class T>
struct Attention {
    Heads<const T> query;
    const T* key_cache;  // [N, B, Hkv, D]
    const T* value_cache;
    T* out;  // [T, Hq, D]
    int64_t num_kv_heads;
    int64_t group;  // query heads to a key-value head
    int64_t head_dim;
    float scale;
    float soft_cap;  // c of c * tanh(score / c), in the unit of the scores; 0 for none
    int64_t window;  // positions that a token sees, its own included
    float* partials;  // rows of maximum, sum and D sums of weighted values

    float* partial(int64_t row) const { return partials + row * (head_dim + 2); }
    T* out_row(int64_t token, int64_t kv_head, int64_t in_group) const {
        return out + ((token * num_kv_heads + kv_head) * group + in_group) * head_dim;
    }
};

// Where some successive keys and values of a sequence lie.
template <class T>
struct Slots {
    const T* keys[TILE_KEYS + KEYS_AHEAD + 8];
    const T* values[TILE_KEYS + KEYS_AHEAD + 8];

    // More entries than `count`: keys can be taken in eights, and those to fetch go on from keys to
    // values.
    void locate(const Attention<T>& a, const Step& step, const Task& task, int64_t first,
                int64_t count) {
        const int32_t* table = step.block_table + task.sequence * step.table_stride;
        const int64_t stride = a.num_kv_heads * a.head_dim;
        int64_t i = 0;
        while (i < count) {
            const int64_t position = first + i, offset = position % step.block_size;
            const int64_t run = std::min(count - i, step.block_size - offset);
            int64_t at = (table[position / step.block_size] * step.block_size + offset) * stride +
                         task.kv_head * a.head_dim;
            for (const int64_t end = i + run; i < end; i++, at += stride) {
                keys[i] = a.key_cache + at;
                values[i] = a.value_cache + at;
            }
        }
        for (i = 0; i < KEYS_AHEAD + 8; i++) {
            keys[count + i] = values[std::min(i, count - 1)];
            values[count + i] = values[count - 1];
        }
    }
};

struct Softmax {
    float maximum = -INFINITY;
    float sum = 0;
};
constexpr int64_t SOFTMAX_FLOATS = sizeof(Softmax) / sizeof(float);

// For `columns` scores, which W divides.
inline void cap(float* scores, int64_t columns, float soft_cap) {
    const float inverse = 1.0f / soft_cap;
    for (int64_t i = 0; i < columns; i += W)
        store(scores + i, tanh(load(scores + i) * inverse) * soft_cap);
}

// Turns a row's scores into weights relative to the largest score so far, and the row's sums of
// values with it. Scores up to `hidden` and from `visible` to `columns`, which W divides, get
// weight 0.
inline void soften(float* scores, int64_t hidden, int64_t visible, int64_t columns, Softmax& state,
                   float* sums, int64_t width) {
    if (visible <= std::max<int64_t>(0, hidden)) {
        for (int64_t i = 0; i < columns; i++) scores[i] = 0;
        return;
    }
    for (int64_t i = 0; i < hidden; i++) scores[i] = -INFINITY;
    for (int64_t i = visible; i < columns; i++) scores[i] = -INFINITY;
    vf highest = load(scores);
    for (int64_t i = W; i < columns; i += W) highest = max(highest, load(scores + i));
    const float maximum = max(highest);
    if (!(maximum <= state.maximum)) {
        const vf factor = exp2(splat(state.maximum - maximum));
        for (int64_t i = 0; i < width; i += W) store(sums + i, load(sums + i) * factor);
        state.sum *= factor[0];
        state.maximum = maximum;
    }
    vf total{};
    for (int64_t i = 0; i < columns; i += W) {
        const vf weight = exp2(load(scores + i) - state.maximum);
        store(scores + i, weight);
        total += weight;
    }
    state.sum += sum(total);
}

// Writes a row's result: to `out`, or to the partial results where the task is a piece.
template <class T>
void finish(const Attention<T>& a, const Task& task, int64_t row, const Softmax& state,
            const float* sums) {
    if (task.partial >= 0) {
        float* to = a.partial(task.partial + row);
        to[0] = state.maximum;
        to[1] = state.sum;
        std::memcpy(to + 2, sums, a.head_dim * sizeof(float));
        return;
    }
    T* to = a.out_row(task.first_token + row / a.group, task.kv_head, row % a.group);
    const float factor = 1.0f / state.sum;
    const int64_t whole = a.head_dim / W * W;
    for (int64_t i = 0; i < whole; i += W) store(to + i, load(sums + i) * factor);
    for (int64_t i = whole; i < a.head_dim; i++) to[i] = from_float<T>(sums[i] * factor);
}

}  // namespace rostra
