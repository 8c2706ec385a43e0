"""Parts of a hierarchy: what is synthesised with what, and how often it is there."""

from twofold.hw.area.hierarchy import Hierarchy

TEXT = """\
module lane_12345678(clk, d, q);
  input clk;
  wire clk;
  input d;
  wire d;
  output q;
  reg q;
  always @(posedge clk) q <= d;
endmodule

module tile_12345678(clk, d, q);
  input clk;
  input d;
  output q;
  wire e;
  \\tile_12345678.inner  inner (
    .d(d),
    .q(e)
  );
  lane_12345678 lane0 (
    .clk(clk),
    .d(e),
    .q(q)
  );
endmodule

module \\tile_12345678.inner (d, q);
  input d;
  output q;
  assign q = ~d;
endmodule

module \\core.engine (clk, d, q);
  input clk;
  input d;
  output [1:0] q;
  tile_12345678 \\tile[0]  (
    .clk(clk),
    .d(d),
    .q(q[0])
  );
  tile_12345678 \\tile[1]  (
    .clk(clk),
    .d(d),
    .q(q[1])
  );
endmodule

module core(clk, d, q);
  input clk;
  input d;
  output [1:0] q;
  \\core.engine  engine (
    .clk(clk),
    .d(d),
    .q(q)
  );
endmodule
"""


def test_parts_and_counts() -> None:
    hierarchy = Hierarchy(TEXT, "core")
    assert hierarchy.parts == ["lane_12345678", "tile_12345678", "core.engine", "core"]
    assert hierarchy.counts("core") == {
        "core": 1, "core.engine": 1, "tile_12345678": 2, "lane_12345678": 2,
    }  # fmt: skip


def test_text_of_a_part() -> None:
    text = Hierarchy(TEXT, "core").verilog("tile_12345678")
    assert "assign q = ~d" in text, "submodules that are no parts belong to it"
    assert "always" not in text, "parts within are black boxes"
    assert "(* blackbox *)\nmodule lane_12345678(clk, d, q);" in text
    assert "core" not in text
