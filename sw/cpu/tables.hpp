// Tables that the kernels read, made from a layer's weights.
#pragma once

#include "network.hpp"

namespace twofold {

void make_constants(const LayerDescription &from, PlannedLayer &to);
// `pairs`: dense rows are multiplied two at a time, so they pay off earlier if they fit in a cache.
void make_rows(const LayerDescription &from, PlannedLayer &to, bool pairs);
void make_taps(const LayerDescription &from, PlannedLayer &to);
void make_patches(const LayerDescription &from, PlannedLayer &to);
void make_lookups(const LayerDescription &from, PlannedLayer &to);
void make_sets(const LayerDescription &from, PlannedLayer &to);
void make_tiles(const LayerDescription &from, PlannedLayer &to);
void make_units(const LayerDescription &from, PlannedLayer &to);

} // namespace twofold
