"""Flip-flops of the ECP5 as the open flow maps them."""

FLIP_FLOPS = " ".join(
    f"-cell {cell}" for cell in ("$_DFF_?_ 01", "$_DFFE_??_ 01", "$_SDFF_?P?_ r", "$_SDFFE_?P??_ r")
)
"""What synthesis for the family maps flip-flops to."""
RESETS_MIN = 64
"""Flip-flops of a reset that is a wire of its own; the way to it is long. Others are logic."""
LEGALIZE = f"dfflegalize {FLIP_FLOPS} -minsrst {RESETS_MIN}"
"""Yosys command between memories and flip-flops."""
