// Attention of many rows: products of packed tiles, as fast as the registers can multiply.
#pragma once

#include "attention.h"
#include "tile.h"

namespace rostra {

inline int64_t round_up(int64_t x, int64_t to) { return (x + to - 1) / to * to; }

template <class T>
void attend_tile(const Attention<T>& a, const Step& step, const Task& task, Buffer& buffer) {
    const int64_t depth = a.head_dim, width = round_up(depth, PANEL_COLUMNS);
    const int64_t rows = task.num_tokens * a.group;
    float* keys = buffer.floats(TILE_KEYS * (depth + width + PANEL_ROWS) +
                                rows * (width + depth + SOFTMAX_FLOATS));  // [depth, TILE_KEYS]
    float* values = keys + TILE_KEYS * depth;     // [TILE_KEYS, width]
    float* scores = values + TILE_KEYS * width;   // [PANEL_ROWS, TILE_KEYS]
    float* sums = scores + TILE_KEYS * PANEL_ROWS;  // [rows, width]
    float* query = sums + rows * width;           // [rows, depth]
    Softmax* states = new (query + rows * depth) Softmax[rows];
    Slots<T> slots;

    for (int64_t row = 0; row < rows; row++) {
        const int64_t head = task.kv_head * a.group + row % a.group;
        pack_row(a.query.at(task.first_token + row / a.group, head), depth, depth,
                 a.scale * LOG2_E, query + row * depth);
    }
    std::memset(sums, 0, rows * width * sizeof(float));

    for (int64_t first = task.key_begin; first < task.key_end; first += TILE_KEYS) {
        const int64_t count = std::min(TILE_KEYS, task.key_end - first);
        slots.locate(a, step, task, first, count);
        pack_transposed(slots.keys, count, round_up(count, PANEL_COLUMNS), depth, keys, TILE_KEYS);
        for (int64_t i = 0; i < count; i++)
            pack_row(slots.values[i], depth, width, 1.0f, values + i * width);
        // The keys of this chunk that a row sees begin and end at these.
        auto position = [&](int64_t row) { return task.first_position + row / a.group - first; };
        auto begin = [&](int64_t row) { return position(row) + 1 - a.window; };
        auto end = [&](int64_t row) { return std::min(count, position(row) + 1); };
        for (int64_t row = 0; row < rows; row += PANEL_ROWS) {
            const int64_t panel = std::min<int64_t>(PANEL_ROWS, rows - row);
            const int64_t visible = end(row + panel - 1);
            if (visible <= 0 || begin(row) >= count) continue;
            const int64_t hidden =
                std::max<int64_t>(0, begin(row)) / PANEL_COLUMNS * PANEL_COLUMNS;
            const int64_t columns = round_up(visible, PANEL_COLUMNS) - hidden;
            product<false>(panel, query + row * depth, depth, keys + hidden, TILE_KEYS, scores,
                           TILE_KEYS, depth, columns);
            for (int64_t r = 0; r < panel; r++) {
                float* to = scores + r * TILE_KEYS;
                if (a.soft_cap != 0) cap(to, columns, a.soft_cap);
                soften(to, begin(row + r) - hidden, end(row + r) - hidden, columns,
                       states[row + r], sums + (row + r) * width, width);
            }
            product<true>(panel, scores, TILE_KEYS, values + hidden * width, width,
                          sums + row * width, width, visible - hidden, width);
        }
    }
    for (int64_t row = 0; row < rows; row++) finish(a, task, row, states[row], sums + row * width);
}

}  // namespace rostra
