// The last layer with AVX-512 VNNI: few units, so all their weights meet all activations.
// Included like winners.hpp.

inline void run_logits(const Layer &layer, const Call &call) {
    const int size = layer.taps() * layer.channel_blocks() * kBlock;
    for (int w = 0; w < call.words; w++) {
        const uint8_t *values = call.in.at(0, 0, w);
        int32_t *logits = call.logits + static_cast<size_t>(w) * layer.kernels;
        for (int o = 0; o < layer.kernels; o++) {
            const int8_t *weights = layer.unit_weight + static_cast<size_t>(o) * size;
            __m512i sum = _mm512_setzero_si512();
            for (int i = 0; i < size; i += kBlock)
                sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(values + i),
                                          _mm512_load_si512(weights + i));
            logits[o] = _mm512_reduce_add_epi32(sum) + layer.add[o];
        }
    }
}
