// What is done to each token on its own: norm, activation, rotation and writing to the cache.
#pragma GCC optimize("no-tree-vectorize")  // vectors are written out; only compiling gets slower

#include <omp.h>

#include "kernels.h"
#include "simd.h"

namespace rostra {
namespace {

// Elements below which a second thread costs more than it saves.
constexpr int64_t PARALLEL_FROM = 32768;

int threads_for(int64_t elements) {
    return elements < PARALLEL_FROM ? 1 : omp_get_max_threads();
}

template <class T>
void norm_row(T* x, T* residual, const T* weight, T* out, int64_t width, float eps) {
    const int64_t whole = width / W * W;
    const T* summed = x;
    vf squares{};
    float rest = 0;
    if (residual) {
        summed = residual;
        for (int64_t i = 0; i < whole; i += W)
            store(residual + i, load(residual + i) + load(x + i));
        for (int64_t i = whole; i < width; i++)
            residual[i] = from_float<T>(to_float(residual[i]) + to_float(x[i]));
    }
    for (int64_t i = 0; i < whole; i += W) squares += load(summed + i) * load(summed + i);
    for (int64_t i = whole; i < width; i++) rest += to_float(summed[i]) * to_float(summed[i]);
    const float factor = 1.0f / std::sqrt((sum(squares) + rest) / float(width) + eps);
    for (int64_t i = 0; i < whole; i += W) {
        store(out + i, load(summed + i) * factor);  // rounds to T before the weight comes in
        store(out + i, load(out + i) * load(weight + i));
    }
    for (int64_t i = whole; i < width; i++) {
        const T normed = from_float<T>(to_float(summed[i]) * factor);
        out[i] = from_float<T>(to_float(normed) * to_float(weight[i]));
    }
}

template <class T>
void rms_norm(T* x, T* residual, const T* weight, T* out, int64_t rows, int64_t width, float eps) {
    const int threads = threads_for(rows * width);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        const int64_t at = row * width;
        norm_row(x + at, residual ? residual + at : nullptr, weight, out + at, width, eps);
    }
}

template <class T>
void silu_and_mul(const T* gate_up, T* out, int64_t rows, int64_t width) {
    const int threads = threads_for(rows * width);
    const int64_t whole = width / W * W;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        const T *gate = gate_up + row * 2 * width, *up = gate + width;
        T* to = out + row * width;
        for (int64_t i = 0; i < whole; i += W) {
            const vf x = load(gate + i);
            store(to + i, x / (1.0f + exp(-x)) * load(up + i));
        }
        for (int64_t i = whole; i < width; i++) {
            const float x = to_float(gate[i]);
            to[i] = from_float<T>(x / (1.0f + std::exp(-x)) * to_float(up[i]));
        }
    }
}

template <class T>
void rotate(T* x, const float* cos, const float* sin, int64_t half) {
    const int64_t whole = half / W * W;
    for (int64_t i = 0; i < whole; i += W) {
        const vf low = load(x + i), high = load(x + half + i);
        const vf c = load(cos + i), s = load(sin + i);
        store(x + i, low * c - high * s);
        store(x + half + i, high * c + low * s);
    }
    for (int64_t i = whole; i < half; i++) {
        const float low = to_float(x[i]), high = to_float(x[half + i]);
        x[i] = from_float<T>(low * cos[i] - high * sin[i]);
        x[half + i] = from_float<T>(high * cos[i] + low * sin[i]);
    }
}

template <class T>
void rope_and_cache(Heads<T> query, Heads<T> key, Heads<T> value, T* key_cache, T* value_cache,
                    int64_t head_dim, const Step& step) {
    const int64_t half = head_dim / 2, token_size = key.count * head_dim;
    const int threads = threads_for(step.num_tokens * (query.count + 2 * key.count) * head_dim);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t token = 0; token < step.num_tokens; token++) {
        const float* cos = step.cos + step.positions[token] * half;
        const float* sin = step.sin + step.positions[token] * half;
        for (int64_t head = 0; head < query.count; head++)
            rotate(query.at(token, head), cos, sin, half);
        const int64_t slot = step.slot_mapping[token];
        for (int64_t head = 0; head < key.count; head++) {
            rotate(key.at(token, head), cos, sin, half);
            const int64_t to = slot * token_size + head * head_dim;
            std::memcpy(key_cache + to, key.at(token, head), head_dim * sizeof(T));
            std::memcpy(value_cache + to, value.at(token, head), head_dim * sizeof(T));
        }
    }
}

}  // namespace
}  // namespace rostra

using namespace rostra;

EXPORT void rostra_rms_norm(int64_t dtype, void* x, void* residual, const void* weight, void* out,
                            int64_t rows, int64_t width, float eps) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        rms_norm((T*)x, (T*)residual, (const T*)weight, (T*)out, rows, width, eps);
    });
}

EXPORT void rostra_silu_and_mul(int64_t dtype, const void* gate_up, void* out, int64_t rows,
                                int64_t width) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        silu_and_mul((const T*)gate_up, (T*)out, rows, width);
    });
}

// The strides are in elements: of a token, and of a head.
EXPORT void rostra_rope_and_cache(int64_t dtype, const Step* step, int64_t head_dim, void* query,
                                  int64_t num_heads, int64_t query_token, int64_t query_head,
                                  void* key, int64_t num_kv_heads, int64_t key_token,
                                  int64_t key_head, const void* value, int64_t value_token,
                                  int64_t value_head, void* key_cache, void* value_cache) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        rope_and_cache<T>({(T*)query, num_heads, query_token, query_head},
                          {(T*)key, num_kv_heads, key_token, key_head},
                          {(T*)value, num_kv_heads, value_token, value_head}, (T*)key_cache,
                          (T*)value_cache, head_dim, *step);
    });
}

// For the tests of accuracy.
EXPORT void rostra_exp(const float* x, float* out, int64_t count, int64_t base_two) {
    for (int64_t i = 0; i + W <= count; i += W) {
        store(out + i, base_two ? rostra::exp2(load(x + i)) : rostra::exp(load(x + i)));
    }
}
