// The kernels that a step of a model consists of. Their arguments are explained where they are
// defined.
#pragma once

#include <cstdint>

#include "step.h"

EXPORT void rostra_rms_norm(int64_t dtype, int64_t weight_dtype, const void* x, int64_t x_stride,
                            void* residual, const void* weight, void* out, int64_t rows,
                            int64_t width, float eps);

EXPORT void rostra_silu_and_mul(int64_t dtype, const void* gate_up, void* out, int64_t rows,
                                int64_t width);

EXPORT void rostra_gelu_and_mul(int64_t dtype, const void* gate_up, void* out, int64_t rows,
                                int64_t width);

EXPORT void rostra_rope_and_cache(int64_t dtype, const rostra::Step* step, int64_t head_dim,
                                  void* query, int64_t num_heads, int64_t query_token,
                                  int64_t query_head, void* key, int64_t num_kv_heads,
                                  int64_t key_token, int64_t key_head, const void* value,
                                  int64_t value_token, int64_t value_head, void* key_cache,
                                  void* value_cache, int64_t table, int64_t weight_dtype,
                                  const void* query_weight, const void* key_weight, float eps);

EXPORT void rostra_paged_attention(int64_t dtype, const rostra::Step* step, int64_t head_dim,
                                   const void* query, int64_t num_heads, int64_t query_token,
                                   int64_t query_head, const void* key_cache,
                                   const void* value_cache, int64_t num_kv_heads, void* out,
                                   float scale, int64_t window, float soft_cap);

EXPORT void rostra_lora(int64_t dtype, int64_t num_tokens, const int32_t* slots, const void* x,
                        int64_t x_stride, const void* a, const void* b, const int32_t* ranks,
                        int64_t max_rank, int64_t depth, int64_t outputs, const int64_t* ends,
                        void* out, int64_t out_stride);

EXPORT void rostra_matmul_float(int64_t dtype, const void* panels, const float* bias,
                                const float* x, int64_t x_stride, float* out, int64_t rows,
                                int64_t n, int64_t k, int64_t threads);

EXPORT void rostra_matmul_integer(int64_t bits, const uint8_t* packed, const float* bias,
                                  float factor, const float* x, int64_t x_stride, float* out,
                                  int64_t rows, int64_t n, int64_t k, int64_t threads);
