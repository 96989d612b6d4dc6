// How the attention of a step is divided into tasks.
#pragma once

#include <algorithm>
#include <vector>

#include "step.h"

namespace rostra {

// Query heads that share a key-value head, of some successive tokens of one sequence: the rows of a
// tile, token after token. They attend to keys `key_begin` to `key_end`, as far as causality and the
// window let them.
struct Task {
    int32_t sequence;
    int32_t kv_head;
    int32_t first_token;  // in the step's row of tokens
    int32_t num_tokens;
    int32_t first_position;  // of first_token in its sequence
    int32_t key_begin;
    int32_t key_end;
    int32_t partial;  // the first row of the partial results, or -1: the result is whole
};

// Parts of a tile's keys, to be merged: `pieces` times its rows, one after the other.
struct Merge {
    int32_t kv_head;
    int32_t first_token;
    int32_t num_tokens;
    int32_t partial;
    int32_t pieces;
};

struct Tasks {
    std::vector<Task> tasks;
    std::vector<Merge> merges;
    int64_t partial_rows;
    int64_t cost;  // rows times keys, where few rows count as more: reading the keys takes longer
};

constexpr int64_t TILE_ROWS = 192;  // keys are packed once for so many rows
constexpr int64_t FEW_ROWS = 4;

// Keys of one task, for few rows and for many, where merging costs more. That these depend on
// nothing but the sequence makes its result, to the last bit, independent of the batch it rides in
// and of the number of threads.
constexpr int64_t PIECE_OF_ONE_TILE = 256;
constexpr int64_t PIECE_OF_TILES = 2048;

// A token sees the last `window` positions, its own included. What none of a tile's tokens sees is
// in no task.
inline void divide(const Step& step, int64_t num_kv_heads, int64_t group, int64_t window,
                   Tasks& found) {
    found.tasks.clear();
    found.merges.clear();
    found.partial_rows = found.cost = 0;
    const int64_t most_tokens = std::max<int64_t>(1, TILE_ROWS / group);
    for (int32_t s = 0; s < step.num_seqs; s++) {
        const int32_t begin = step.query_start[s], end = step.query_start[s + 1];
        const int32_t tiles = (end - begin + most_tokens - 1) / most_tokens;
        const int64_t piece_keys = tiles == 1 ? PIECE_OF_ONE_TILE : PIECE_OF_TILES;
        // The last tiles see most keys; long tasks go first, so that short ones fill the gaps.
        for (int32_t tile = tiles - 1; tile >= 0; tile--) {
            const int32_t first = begin + tile * most_tokens;
            const int32_t tokens = std::min<int32_t>(most_tokens, end - first);
            const int32_t position = step.seq_lens[s] - (end - first);
            const int64_t seen = std::max<int64_t>(0, position + 1 - window);
            const int64_t keys = position + tokens - seen, rows = tokens * group;
            const int64_t pieces = (keys + piece_keys - 1) / piece_keys;
            for (int32_t head = 0; head < num_kv_heads; head++) {
                int32_t partial = -1;
                if (pieces > 1) {
                    partial = found.partial_rows;
                    found.partial_rows += pieces * rows;
                    found.merges.push_back({head, first, tokens, partial, int32_t(pieces)});
                }
                for (int64_t piece = 0; piece < pieces; piece++) {
                    const int32_t from = seen + keys * piece / pieces;
                    const int32_t to = seen + keys * (piece + 1) / pieces;
                    found.tasks.push_back({s, head, first, tokens, position, from, to, partial});
                    if (pieces > 1) partial += rows;
                }
            }
            found.cost += num_kv_heads * std::max(FEW_ROWS, rows) * keys;
        }
    }
}

}  // namespace rostra
