#include "network.hpp"

#include "tables.hpp"

#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace twofold {

namespace {

#if defined(__x86_64__) && defined(__linux__)

// On Linux a process must request permission to use AMX.
bool request_amx() {
    constexpr long kRequestPermission = 0x1023, kTileData = 18;
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool has_amx() {
    unsigned a = 7, b, c = 0, d;
    asm volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    constexpr unsigned kTile = 1u << 24, kInt8 = 1u << 25;
    return (d & kTile) && (d & kInt8) && request_amx();
}

#else

bool has_amx() {
    return false;
}

#endif

Layer make_view(const LayerDescription &from) {
    Layer to = {};
    to.in_channels = from.in_channels;
    to.in_rows = from.top + from.in_rows + from.bottom;
    to.in_cols = from.left + from.in_cols + from.right;
    to.kernels = from.kernels;
    to.kernel_rows = from.kernel_rows;
    to.kernel_cols = from.kernel_cols;
    to.stride_rows = from.stride_rows;
    to.stride_cols = from.stride_cols;
    to.pool_rows = from.pool_rows;
    to.pool_cols = from.pool_cols;
    to.pooling = from.pooling;
    to.out_rows = ((to.in_rows - to.kernel_rows) / to.stride_rows + 1) / to.pool_rows;
    to.out_cols = ((to.in_cols - to.kernel_cols) / to.stride_cols + 1) / to.pool_cols;
    to.winners = from.winners < from.kernels ? from.winners : 0;
    to.shift = from.shift;
    to.last = from.last != 0;
    to.narrow = from.narrow != 0;
    to.most_active = from.most_active;
    to.sets = from.sets;
    return to;
}

const Kernels &kernels_of(Isa isa) {
#if defined(__x86_64__)
    switch (isa) {
    case Isa::avx2: return kAvx2;
    case Isa::avx512:
    case Isa::amx: return kAvx512;
    case Isa::portable: break;
    }
#else
    (void)isa;
#endif
    return kPortable;
}

// Whether the input of a pooling window fits the eight rows of eight bytes of a patch. Its sums
// start with `add`, which commutes with max-pooling only.
bool fits_patch(const Layer &layer) {
    const int rows = (layer.pool_rows - 1) * layer.stride_rows + layer.kernel_rows;
    const int cols = (layer.pool_cols - 1) * layer.stride_cols + layer.kernel_cols;
    return layer.narrow && !layer.last && layer.pooling == kMaximum && rows <= 8 &&
           cols * layer.in_channels <= 8;
}

bool fits_tiles(const Layer &layer) {
    return layer.narrow && !layer.last && layer.places() <= 16;
}

bool fits_lookup(const Layer &layer) {
    return fits_tiles(layer) && layer.in_channels <= kBlock;
}

// Few winners and many sets; with more winners, other kernels are faster even for a single sample.
bool fits_sets(const Layer &layer) {
    const int active = layer.most_active * layer.taps();
    return layer.narrow && !layer.last && layer.sets >= 16 && layer.kernels <= 256 * layer.sets &&
           layer.positions() < 65536 && active * 6 <= layer.positions();
}

void use(PlannedLayer &layer, const char *kernel, Run run) {
    layer.kernel = kernel;
    layer.run = run;
}

void choose(const LayerDescription &from, PlannedLayer &to, bool first, Isa isa) {
    const Kernels &kernels = kernels_of(isa);
    const Layer &view = to.view;
    if (first && !to.linear) {
        if (kernels.patch && fits_patch(view)) {
            make_patches(from, to);
            return use(to, "patch", kernels.patch);
        }
        make_taps(from, to);
        return use(to, "gather", kernels.gather);
    }
    if (!first && view.last && kernels.logits) {
        make_units(from, to);
        return use(to, "logits", kernels.logits);
    }
    if (!first && to.linear && kernels.sets && fits_sets(view)) {
        make_sets(from, to);
        to.few = kernels.sets;
    }
#if defined(__x86_64__)
    if (!first && isa == Isa::amx && fits_tiles(view)) {
        make_tiles(from, to);
        return use(to, to.few ? "tiles, few samples: sets" : "tiles", kAmx.tiles);
    }
#endif
    if (!first && kernels.lookup && fits_lookup(view)) {
        make_lookups(from, to);
        return use(to, to.few ? "lookup, few samples: sets" : "lookup", kernels.lookup);
    }
    make_rows(from, to, isa != Isa::portable);
    use(to, "scatter", kernels.scatter);
}

} // namespace

std::vector<std::string> available_isas() {
    std::vector<std::string> names = {"portable"};
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi2") &&
          __builtin_cpu_supports("popcnt")))
        return names;
    names.push_back("avx2");
    if (!(__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vbmi") &&
          __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vnni") &&
          __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("gfni")))
        return names;
    names.push_back("avx512");
    if (has_amx())
        names.push_back("amx");
#endif
    return names;
}

Layers plan_network(const LayerDescription *layers, int count, Isa isa) {
    Layers planned;
    for (int i = 0; i < count; i++) {
        auto layer = std::make_unique<PlannedLayer>();
        layer->view = make_view(layers[i]);
        layer->linear = layers[i].linear != 0;
        layer->padding = {layers[i].top, layers[i].left, layers[i].bottom, layers[i].right};
        layer->zero = layers[i].zero;
        layer->source = layers[i].source;
        layer->other = layers[i].other;
        make_constants(layers[i], *layer);
        choose(layers[i], *layer, i == 0, isa);
        planned.push_back(std::move(layer));
    }
    return planned;
}

} // namespace twofold
