// What Python hands over: the layout of a step, and tensors of heads.
#pragma once

#include <cstdint>

#include "simd.h"

#define EXPORT extern "C" __attribute__((visibility("default")))

namespace rostra {

// Both are made of fields of 8 bytes each, in the order in which native_step.py fills them in.

// The rotation of the first 2 * half elements of a head.
struct RotaryTable {
    const float* cos;  // [P, half]
    const float* sin;
    int64_t half;
};

// The meaning of the fields is that of StepLayout.
struct Step {
    const RotaryTable* tables;
    const int64_t* positions;     // [T]
    const int64_t* slot_mapping;  // [T]
    const int32_t* query_start;   // [S + 1]
    const int32_t* seq_lens;      // [S]
    const int32_t* block_table;   // [S, M]
    int64_t table_stride;
    int64_t num_tokens;
    int64_t num_seqs;
    int64_t block_size;
};

// [T, count, D], each head contiguous.
template <class T>
struct Heads {
    T* data;
    int64_t count;
    int64_t token_stride;
    int64_t head_stride;

    T* at(int64_t token, int64_t head) const {
        return data + token * token_stride + head * head_stride;
    }
};

// Calls `body` with a zero of the type that `dtype` stands for.
template <class Body>
void dispatch(int64_t dtype, Body&& body) {
    if (dtype == FLOAT32) body(float{});
    else if (dtype == BFLOAT16) body(bf16{});
    else body(f16{});
}

}  // namespace rostra
