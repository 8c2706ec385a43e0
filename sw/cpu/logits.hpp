// The last layer with AVX-512 VNNI: there are few units, so all weights are multiplied with all
// activations. Included like winners.hpp.

inline void run_logits(const Layer &layer, const Call &call) {
    const int size = layer.channel_blocks() * kBlock;
    const int8_t *weights = layer.unit_weight;
    for (int o = 0; o < layer.kernels; o++, weights += layer.taps() * size)
        for (int w = 0; w < call.samples; w++) {
            const int8_t *weight = weights;
            __m512i sum = _mm512_setzero_si512();
            for (int y = 0; y < layer.in_rows; y++)
                for (int x = 0; x < layer.in_cols; x++, weight += size) {
                    const uint8_t *values = call.in.at(y, x, w);
                    for (int i = 0; i < size; i += kBlock)
                        sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(values + i),
                                                  _mm512_load_si512(weight + i));
                }
            call.logits[static_cast<size_t>(w) * layer.kernels + o] =
                _mm512_reduce_add_epi32(sum) + layer.add[o];
        }
}
