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

// What the weight is multiplied with is rounded to its type first.
template <class T, class Weight>
void norm_row(const T* x, T* residual, const Weight* weight, T* out, int64_t width, float eps) {
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
    Weight normed[W];
    for (int64_t i = 0; i < whole; i += W) {
        store(normed, load(summed + i) * factor);
        store(out + i, load(normed) * load(weight + i));
    }
    for (int64_t i = whole; i < width; i++) {
        normed[0] = from_float<Weight>(to_float(summed[i]) * factor);
        out[i] = from_float<T>(to_float(normed[0]) * to_float(weight[i]));
    }
}

template <class T, class Weight>
void rms_norm(const T* x, int64_t x_stride, T* residual, const Weight* weight, T* out, int64_t rows,
              int64_t width, float eps) {
    const int threads = threads_for(rows * width);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        const int64_t at = row * width;
        norm_row(x + row * x_stride, residual ? residual + at : nullptr, weight, out + at, width,
                 eps);
    }
}

struct Silu {
    static vf of(vf x) { return x / (1.0f + exp(-x)); }
};

// By way of tanh: x (1 + tanh(u)) / 2 is x / (1 + e^-2u).
struct Gelu {
    static vf of(vf x) {
        const vf twice_u = x * (1.595769122f + 0.0713548163f * (x * x));
        return x / (1.0f + exp(-twice_u));
    }
};

template <class Activation, class T>
void activate_and_mul(const T* gate_up, T* out, int64_t rows, int64_t width) {
    const int threads = threads_for(rows * width);
    const int64_t whole = width / W * W;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        const T *gate = gate_up + row * 2 * width, *up = gate + width;
        T* to = out + row * width;
        for (int64_t i = 0; i < whole; i += W)
            store(to + i, Activation::of(load(gate + i)) * load(up + i));
        for (int64_t i = whole; i < width; i++)
            to[i] = from_float<T>(Activation::of(splat(to_float(gate[i])))[0] * to_float(up[i]));
    }
}

template <class T>
float norm_factor(const T* x, int64_t size, float eps) {
    const int64_t whole = size / W * W;
    vf squares{};
    float rest = 0;
    for (int64_t i = 0; i < whole; i += W) squares += load(x + i) * load(x + i);
    for (int64_t i = whole; i < size; i++) rest += to_float(x[i]) * to_float(x[i]);
    return 1.0f / std::sqrt((sum(squares) + rest) / float(size) + eps);
}

// Rotates the first 2 * half of `size` elements, each multiplied by `factor` and its weight before
// where NORM says so.
template <bool NORM, class T, class Weight>
__attribute__((always_inline)) inline void rotate(T* x, float factor, const Weight* weight,
                                                  const float* cos, const float* sin, int64_t half,
                                                  int64_t size) {
    const auto vector = [&](int64_t i) {
        if constexpr (NORM) return load(x + i) * factor * load(weight + i);
        else return load(x + i);
    };
    const auto number = [&](int64_t i) {
        if constexpr (NORM) return to_float(x[i]) * factor * to_float(weight[i]);
        else return to_float(x[i]);
    };
    const int64_t whole = half / W * W;
    for (int64_t i = 0; i < whole; i += W) {
        const vf low = vector(i), high = vector(half + i);
        const vf c = load(cos + i), s = load(sin + i);
        store(x + i, low * c - high * s);
        store(x + half + i, high * c + low * s);
    }
    for (int64_t i = whole; i < half; i++) {
        const float low = number(i), high = number(half + i);
        x[i] = from_float<T>(low * cos[i] - high * sin[i]);
        x[half + i] = from_float<T>(high * cos[i] + low * sin[i]);
    }
    if constexpr (NORM) {
        int64_t i = 2 * half;
        for (; i + W <= size; i += W) store(x + i, vector(i));
        for (; i < size; i++) x[i] = from_float<T>(number(i));
    }
}

template <class Weight>
struct HeadNorm {
    const Weight* query;  // [D]; nullptr for no norm
    const Weight* key;
    float eps;
};

template <class T, class Weight>
void rope_and_cache(Heads<T> query, Heads<T> key, Heads<T> value, T* key_cache, T* value_cache,
                    int64_t head_dim, const Step& step, const RotaryTable& table,
                    const HeadNorm<Weight>& norm) {
    const int64_t token_size = key.count * head_dim;
    const int threads = threads_for(step.num_tokens * (query.count + 2 * key.count) * head_dim);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t token = 0; token < step.num_tokens; token++) {
        const int64_t row = table.half ? step.positions[token] * table.half : 0;
        const auto turn = [&](T* x, const Weight* weight) {
            const float *cos = table.cos + row, *sin = table.sin + row;
            if (weight)
                rotate<true>(x, norm_factor(x, head_dim, norm.eps), weight, cos, sin, table.half,
                             head_dim);
            else rotate<false>(x, 1.0f, weight, cos, sin, table.half, head_dim);
        };
        for (int64_t head = 0; head < query.count; head++) turn(query.at(token, head), norm.query);
        const int64_t slot = step.slot_mapping[token];
        for (int64_t head = 0; head < key.count; head++) {
            turn(key.at(token, head), norm.key);
            const int64_t to = slot * token_size + head * head_dim;
            std::memcpy(key_cache + to, key.at(token, head), head_dim * sizeof(T));
            std::memcpy(value_cache + to, value.at(token, head), head_dim * sizeof(T));
        }
    }
}

// Calls `body` with zeros of the types of a tensor and of a weight: float32, or the tensor's own.
template <class Body>
void dispatch_both(int64_t dtype, int64_t weight_dtype, Body&& body) {
    dispatch(dtype, [&](auto zero) {
        if (weight_dtype == FLOAT32) body(zero, float{});
        else body(zero, zero);
    });
}

}  // namespace
}  // namespace rostra

using namespace rostra;

// The rows of x are `x_stride` elements apart, all others `width`.
EXPORT void rostra_rms_norm(int64_t dtype, int64_t weight_dtype, const void* x, int64_t x_stride,
                            void* residual, const void* weight, void* out, int64_t rows,
                            int64_t width, float eps) {
    dispatch_both(dtype, weight_dtype, [&](auto zero, auto weight_zero) {
        using T = decltype(zero);
        using Weight = decltype(weight_zero);
        rms_norm((const T*)x, x_stride, (T*)residual, (const Weight*)weight, (T*)out, rows, width,
                 eps);
    });
}

EXPORT void rostra_silu_and_mul(int64_t dtype, const void* gate_up, void* out, int64_t rows,
                                int64_t width) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        activate_and_mul<Silu>((const T*)gate_up, (T*)out, rows, width);
    });
}

EXPORT void rostra_gelu_and_mul(int64_t dtype, const void* gate_up, void* out, int64_t rows,
                                int64_t width) {
    dispatch(dtype, [&](auto zero) {
        using T = decltype(zero);
        activate_and_mul<Gelu>((const T*)gate_up, (T*)out, rows, width);
    });
}

// The strides are in elements: of a token, and of a head. Where `table` is negative nothing is
// rotated, and without weights nothing is normed.
EXPORT void rostra_rope_and_cache(int64_t dtype, const Step* step, int64_t head_dim, void* query,
                                  int64_t num_heads, int64_t query_token, int64_t query_head,
                                  void* key, int64_t num_kv_heads, int64_t key_token,
                                  int64_t key_head, const void* value, int64_t value_token,
                                  int64_t value_head, void* key_cache, void* value_cache,
                                  int64_t table, int64_t weight_dtype, const void* query_weight,
                                  const void* key_weight, float eps) {
    const RotaryTable rotation = table < 0 ? RotaryTable{} : step->tables[table];
    dispatch_both(dtype, weight_dtype, [&](auto zero, auto weight_zero) {
        using T = decltype(zero);
        using Weight = decltype(weight_zero);
        rope_and_cache<T, Weight>({(T*)query, num_heads, query_token, query_head},
                                  {(T*)key, num_kv_heads, key_token, key_head},
                                  {(T*)value, num_kv_heads, value_token, value_head},
                                  (T*)key_cache, (T*)value_cache, head_dim, *step, rotation,
                                  {(const Weight*)query_weight, (const Weight*)key_weight, eps});
    });
}

// For the tests of accuracy.
EXPORT void rostra_exp(const float* x, float* out, int64_t count, int64_t base_two) {
    for (int64_t i = 0; i + W <= count; i += W) {
        store(out + i, base_two ? rostra::exp2(load(x + i)) : rostra::exp(load(x + i)));
    }
}

EXPORT void rostra_tanh(const float* x, float* out, int64_t count) {
    for (int64_t i = 0; i + W <= count; i += W) store(out + i, rostra::tanh(load(x + i)));
}
