// Cells of the ECP5 as they behave, for netlists of this project after synthesis.
// Asynchronous resets, inverted clocks and cascades are left out: nothing here uses them, and a
// netlist with such a parameter stops at once. Memories begin at 0.

module LUT4 #(parameter [15:0] INIT = 0) (input A, B, C, D, output Z);
  assign Z = INIT[{D, C, B, A}];
endmodule

module PFUMX (input ALUT, BLUT, C0, output Z);
  assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21 (input D0, D1, SD, output Z);
  assign Z = SD ? D1 : D0;
endmodule

// Two bits of a carry chain. A bit whose INJECT1 is "YES" stands at the beginning of a chain.
module CCU2C #(
  parameter [15:0] INIT0 = 0, parameter [15:0] INIT1 = 0,
  parameter INJECT1_0 = "YES", parameter INJECT1_1 = "YES"
) (input CIN, A0, B0, C0, D0, A1, B1, C1, D1, output S0, S1, COUT);
  wire own0 = INIT0[{D0, C0, B0, A0}], own1 = INIT1[{D1, C1, B1, A1}];
  wire generate0 = INJECT1_0 == "YES" ? 1'b0 : INIT0[{2'b00, B0, A0}];
  wire generate1 = INJECT1_1 == "YES" ? 1'b0 : INIT1[{2'b00, B1, A1}];
  wire carry = own0 ? CIN : generate0;
  assign S0 = own0 ^ (INJECT1_0 == "YES" ? 1'b0 : CIN);
  assign S1 = own1 ^ (INJECT1_1 == "YES" ? 1'b0 : carry);
  assign COUT = own1 ? carry : generate1;
endmodule

module TRELLIS_FF #(
  parameter GSR = "AUTO", parameter CEMUX = "CE", parameter CLKMUX = "CLK",
  parameter LSRMUX = "LSR", parameter LSRONMUX = "LSRMUX", parameter SRMODE = "LSR_OVER_CE",
  parameter REGSET = "RESET"
) (input CLK, LSR, CE, DI, M, output reg Q);
  wire enabled = CEMUX == "1" ? 1'b1 : CEMUX == "0" ? 1'b0 : CEMUX == "INV" ? ~CE : CE;
  wire reset = LSRMUX == "INV" ? ~LSR : LSR;
  initial begin
    Q = REGSET == "SET";
    if (CLKMUX != "CLK" || SRMODE == "ASYNC") $fatal(1, "TRELLIS_FF: a mode without a model");
  end
  always @(posedge CLK)
    if (reset && SRMODE == "LSR_OVER_CE") Q <= REGSET == "SET";
    else if (enabled) Q <= reset ? REGSET == "SET" : DI;
endmodule

module TRELLIS_DPR16X4 #(
  parameter WCKMUX = "WCK", parameter WREMUX = "WRE", parameter [63:0] INITVAL = 0
) (input [3:0] DI, WAD, RAD, input WRE, WCK, output [3:0] DO);
  reg [3:0] words[15:0];
  wire writes = WREMUX == "1" ? 1'b1 : WREMUX == "INV" ? ~WRE : WRE;
  initial begin
    for (integer at = 0; at < 16; at = at + 1) words[at] = 0;
    if (WCKMUX != "WCK") $fatal(1, "TRELLIS_DPR16X4: a mode without a model");
  end
  always @(posedge WCK) if (writes) words[WAD] <= DI;
  assign DO = words[RAD];
endmodule

// A product of two factors of 18 bits, each signed or not, with registers where CLK0 is named.
module MULT18X18D #(
  parameter REG_INPUTA_CLK = "NONE", parameter REG_INPUTA_CE = "CE0",
  parameter REG_INPUTA_RST = "RST0", parameter REG_INPUTB_CLK = "NONE",
  parameter REG_INPUTB_CE = "CE0", parameter REG_INPUTB_RST = "RST0",
  parameter REG_PIPELINE_CLK = "NONE", parameter REG_OUTPUT_CLK = "NONE",
  parameter REG_OUTPUT_CE = "CE0", parameter REG_OUTPUT_RST = "RST0",
  parameter SOURCEB_MODE = "B_SHIFT"
) (
  input A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17,
  input B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13, B14, B15, B16, B17,
  input C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17,
  input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, CLK0, CE0, RST0,
  output P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15, P16, P17,
  output P18, P19, P20, P21, P22, P23, P24, P25, P26, P27, P28, P29, P30, P31, P32, P33, P34, P35
);
  wire signed [18:0] a = {SIGNEDA & A17, A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6,
                          A5, A4, A3, A2, A1, A0};
  wire signed [18:0] b = {SIGNEDB & B17, B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6,
                          B5, B4, B3, B2, B1, B0};
  reg signed [18:0] a_kept, b_kept;
  wire signed [18:0] a_used = REG_INPUTA_CLK == "NONE" ? a : a_kept;
  wire signed [18:0] b_used = REG_INPUTB_CLK == "NONE" ? b : b_kept;
  wire signed [37:0] whole = a_used * b_used;
  reg [35:0] kept;
  initial if (REG_PIPELINE_CLK != "NONE") $fatal(1, "MULT18X18D: a mode without a model");
  always @(posedge CLK0)
    if (RST0) begin a_kept <= 0; b_kept <= 0; kept <= 0; end
    else if (CE0) begin a_kept <= a; b_kept <= b; kept <= whole[35:0]; end
  assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18,
          P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0}
      = REG_OUTPUT_CLK == "NONE" ? whole[35:0] : kept;
endmodule

// 16 Kbit and 2 Kbit of parity, kept as 1,024 words of 18 bits: a port of 9 bits sees two words in
// each of them, one of 4, 2 or 1 bits those that the parity leaves.
module DP16KD #(
  parameter DATA_WIDTH_A = 18, parameter DATA_WIDTH_B = 18,
  parameter REGMODE_A = "NOREG", parameter REGMODE_B = "NOREG",
  parameter RESETMODE = "SYNC", parameter ASYNC_RESET_RELEASE = "SYNC",
  parameter CSDECODE_A = "0b000", parameter CSDECODE_B = "0b000",
  parameter WRITEMODE_A = "NORMAL", parameter WRITEMODE_B = "NORMAL",
  parameter CLKAMUX = "CLKA", parameter CLKBMUX = "CLKB", parameter GSR = "ENABLED"
) (
  input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
  input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
  input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8,
  input DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15, DIA16, DIA17,
  input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8,
  input DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15, DIB16, DIB17,
  input CLKA, CEA, OCEA, WEA, RSTA, CSA0, CSA1, CSA2,
  input CLKB, CEB, OCEB, WEB, RSTB, CSB0, CSB1, CSB2,
  output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8,
  output DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15, DOA16, DOA17,
  output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8,
  output DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15, DOB16, DOB17
);
  reg [17:0] words[1023:0];
  wire [13:0] at_a = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2,
                      ADA1, ADA0};
  wire [13:0] at_b = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2,
                      ADB1, ADB0};
  wire [17:0] in_a = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7,
                      DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
  wire [17:0] in_b = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7,
                      DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0};
  reg [17:0] found_a, found_b, kept_a, kept_b;

  function automatic [4:0] place(input integer width, input [3:0] low);
    case (width)  // the lowest of the bits that a port of this width sees
      18: place = 0;
      9: place = low[3] ? 9 : 0;
      4: place = {low[3] ? 5'd9 : 5'd0} + {2'b00, low[2], 2'b00};
      2: place = {low[3] ? 5'd9 : 5'd0} + {2'b00, low[2:1], 1'b0};
      default: place = {low[3] ? 5'd9 : 5'd0} + {2'b00, low[2:0]};
    endcase
  endfunction

  function automatic [17:0] enabled(input integer width, input [3:0] low);
    case (width)
      18: enabled = {{9{low[1]}}, {9{low[0]}}};
      9: enabled = 18'h1ff << place(width, low);
      4: enabled = 18'hf << place(width, low);
      2: enabled = 18'h3 << place(width, low);
      default: enabled = 18'h1 << place(width, low);
    endcase
  endfunction

  wire [17:0] mask_a = enabled(DATA_WIDTH_A, at_a[3:0]), mask_b = enabled(DATA_WIDTH_B, at_b[3:0]);
  wire chosen_a = CEA & ~(CSA0 | CSA1 | CSA2), chosen_b = CEB & ~(CSB0 | CSB1 | CSB2);

  initial begin
    for (integer at = 0; at < 1024; at = at + 1) words[at] = 0;
    if (WRITEMODE_A != "NORMAL" && WRITEMODE_A != "READBEFOREWRITE")
      $fatal(1, "DP16KD: a mode without a model");
    if (RESETMODE != "SYNC" || CLKAMUX != "CLKA" || CLKBMUX != "CLKB")
      $fatal(1, "DP16KD: a mode without a model");
  end
  always @(posedge CLKA) begin
    if (chosen_a) begin
      if (WEA)
        words[at_a[13:4]] <= (words[at_a[13:4]] & ~mask_a)
            | ((in_a << place(DATA_WIDTH_A, at_a[3:0])) & mask_a);
      if (!WEA || WRITEMODE_A == "READBEFOREWRITE")
        found_a <= words[at_a[13:4]] >> place(DATA_WIDTH_A, at_a[3:0]);
    end
    if (RSTA) kept_a <= 0; else if (OCEA) kept_a <= found_a;
  end
  always @(posedge CLKB) begin
    if (chosen_b) begin
      if (WEB)
        words[at_b[13:4]] <= (words[at_b[13:4]] & ~mask_b)
            | ((in_b << place(DATA_WIDTH_B, at_b[3:0])) & mask_b);
      else found_b <= words[at_b[13:4]] >> place(DATA_WIDTH_B, at_b[3:0]);
    end
    if (RSTB) kept_b <= 0; else if (OCEB) kept_b <= found_b;
  end
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
          DOA4, DOA3, DOA2, DOA1, DOA0} = REGMODE_A == "OUTREG" ? kept_a : found_a;
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
          DOB4, DOB3, DOB2, DOB1, DOB0} = REGMODE_B == "OUTREG" ? kept_b : found_b;
endmodule

// Pins and clock of a design: a pin is its buffer, and the clock that comes out of the loop is the
// one that goes in, at once.
module TRELLIS_IN #(parameter DIR = "INPUT") (input B, I, T, output O);
  assign O = B;
endmodule

module TRELLIS_OUT #(parameter DIR = "OUTPUT") (output B, input I, T, output O);
  assign B = I, O = I;
endmodule

module EHXPLLL #(
  parameter CLKI_DIV = 1, parameter CLKFB_DIV = 1, parameter CLKOP_DIV = 1,
  parameter CLKOP_CPHASE = 0, parameter CLKOP_FPHASE = 0, parameter CLKOP_ENABLE = "ENABLED",
  parameter FEEDBK_PATH = "CLKOP"
) (
  input CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG,
  input PLLWAKESYNC, ENCLKOP, output CLKOP, LOCK
);
  assign CLKOP = CLKI, LOCK = ~RST;
endmodule
