// Pooling: combines the accumulators of a window's positions. Included like winners.hpp.

// Kinds in the order of `POOLINGS` in hw/contract/layers/pooling.py.
enum Pooling : int { kMax = kMaximum, kSum, kMean };

struct Larger {
    int32_t operator()(int32_t a, int32_t b) const { return a < b ? b : a; }
#if LEVEL >= 512
    __m512i operator()(__m512i a, __m512i b) const { return _mm512_max_epi32(a, b); }
#endif
};

struct Added {
    int32_t operator()(int32_t a, int32_t b) const { return a + b; }
#if LEVEL >= 512
    __m512i operator()(__m512i a, __m512i b) const { return _mm512_add_epi32(a, b); }
#endif
};

// Calls run(rule) with the rule of a kind of pooling, known at compile time to the loops inside.
template <class Run>
inline void with_rule(int pooling, Run run) {
    switch (pooling) {
    case kMax: return run(Larger{});
    case kSum:
    case kMean: return run(Added{}); // the divisor of the mean is in the layer's constants
    }
}

template <class Rule>
inline void pool_rows_by(Rule rule, int32_t *__restrict best, const int32_t *__restrict acc,
                         int count) {
    for (int i = 0; i < count; i++)
        best[i] = rule(best[i], acc[i]);
}

// best[i] = rule(best[i], acc[i]).
inline void pool_rows(const Layer &layer, int32_t *best, const int32_t *acc, int count) {
    with_rule(layer.pooling, [&](auto rule) { pool_rows_by(rule, best, acc, count); });
}

template <class Rule>
inline void pool_cols_by(Rule rule, const int32_t *__restrict sums, int32_t *__restrict row,
                         int cols, int pool) {
    for (int x = 0; x < cols; x++)
        row[x] = sums[x * pool];
    for (int i = 1; i < pool; i++) {
        if (pool == 2) // a stride known at compile time
            for (int x = 0; x < cols; x++)
                row[x] = rule(row[x], sums[x * 2 + 1]);
        else
            for (int x = 0; x < cols; x++)
                row[x] = rule(row[x], sums[x * pool + i]);
    }
}

// Pools every `pool_cols` consecutive sums; result x goes to to[x * width]. Uses `row` first: one
// comparison at a time would cost a mispredicted branch each.
inline void pool_cols(const Layer &layer, const int32_t *sums, int32_t *row, int32_t *to,
                      int width) {
    const int cols = layer.out_cols;
    with_rule(layer.pooling,
              [&](auto rule) { pool_cols_by(rule, sums, row, cols, layer.pool_cols); });
    for (int x = 0; x < cols; x++)
        to[x * width] = row[x];
}
