"""How the page looks."""

STYLE = """
:root { --ink: #1b1f24; --paper: #fff; --soft: #5b6570; --line: #d9dee3; --card: #f6f8fa;
  --own: #c2410c; --others: #4b6b93; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14171b; --soft: #9ba5b0;
  --line: #343a42; --card: #1d2126; --own: #fb923c; --others: #8fb0dc; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; color: var(--ink);
  background: var(--paper); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.2; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1.05rem; margin: 1rem 0 .6rem; } h4 { font-size: .9rem; margin: .9rem 0 .3rem; }
figure { margin: 0 0 1.2rem; padding: 1rem; background: var(--card); border-radius: .5rem;
  border: 1px solid var(--line); } figure h3 { margin-top: 0; }
.absent { border-style: dashed; }
figcaption, .scale { font-size: .85rem; color: var(--soft); margin-top: .6rem; }
code { font: .85em ui-monospace, monospace; background: var(--line); padding: .05em .3em;
  border-radius: .2em; }
.value-row { --c: var(--others); display: flex; flex-wrap: wrap; column-gap: .6rem;
  margin-bottom: .35rem; font-size: .875rem; line-height: 1.35; }
.label { flex: 1 1 13rem; } .value { flex: 0 1 auto; margin-left: auto; }
.value-row.own, .swatch.own { --c: var(--own); }
.own .value { font-weight: 600; }
.value { font-variant-numeric: tabular-nums; text-align: right; }
.track { flex: 0 0 100%; position: relative; height: .85rem; }
.bars .track { background: var(--line); border-radius: .15rem; overflow: hidden; }
.bars .track i { display: block; height: 100%; min-width: 2px; }
.dots { margin-inline: .5rem; }
.dots .track { border-bottom: 1px solid var(--line); height: 1rem; }
.dots .track i { position: absolute; top: .1rem; width: .8rem; height: .8rem; margin-left: -.4rem;
  border-radius: 50%; border: 2px solid var(--c); }
.line { position: absolute; top: 0; height: 100%; border-left: 1px solid var(--line); }
.reach { position: absolute; top: calc(.5rem - 1px); border-top: 2px solid var(--c); opacity: .6; }
.axis { position: relative; height: 1.3rem; font-size: .75rem; color: var(--soft);
  margin-inline: .5rem; }
.tick { position: absolute; transform: translateX(-50%); white-space: nowrap; }
.tick.first { transform: none; margin-left: -.4rem; }
.tick.last { transform: translateX(-100%); margin-left: .4rem; }
.iqr { position: absolute; top: 25%; height: 50%; border-inline: 2px solid var(--ink);
  opacity: .75; }
.mark { position: absolute; top: 0; height: 100%; border-left: 2px dashed var(--ink); }
.key, .tile { --c: var(--soft); }
i.measured { background: var(--c); }
i.simulated { background: repeating-linear-gradient(45deg, var(--c) 0 3px, var(--card) 3px 5px); }
i.published { background: repeating-linear-gradient(0deg, var(--c) 0 2px, var(--card) 2px 4px); }
i.assumed { background: var(--card); border: 2px dashed var(--c); }
i.estimated { background: repeating-linear-gradient(135deg, var(--c) 0 3px,
  var(--card) 3px 5px); }
.dots .track i.assumed { border-style: solid; } .dots .track i.published { border-radius: 0; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.1rem; font-size: .8rem;
  margin-top: .7rem; }
.key { display: inline-flex; align-items: center; gap: .4rem; }
.key i { width: 1.3rem; height: .8rem; border-radius: .15rem; flex: none; }
.key .swatch { width: .8rem; border-radius: 50%; background: var(--others); }
.key .swatch.own { background: var(--own); }
.tiles { display: grid; gap: 1.2rem; margin-bottom: 1.2rem;
  grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: 1rem; } .tile b { display: block; font-size: 1.9rem; line-height: 1.2;
  color: var(--own); } .tile span { font-size: .875rem; }
svg { width: 100%; max-width: 34rem; display: block; margin: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--ink); }
svg .dot { fill: var(--paper); } svg .grid { stroke: var(--line); }
svg .roof { stroke: var(--ink); stroke-width: 2; } circle { fill: var(--own); }
circle.published { fill: var(--soft); } circle.assumed { stroke: var(--ink);
  stroke-dasharray: 3 2; }
ol { font-size: .875rem; padding-left: 1.4rem; }
.wide { overflow-x: auto; border: 1px solid var(--line); border-radius: .4rem; }
table { border-collapse: collapse; width: 100%; font-size: .85rem;
  font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
.data table { width: auto; } .data td { white-space: nowrap; } .number { text-align: right; }
.warning { border-left: .3rem solid var(--own); padding-left: .7rem; }
th { background: var(--card); white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
details { border-top: 1px solid var(--line); padding: .5rem 0; }
summary { cursor: pointer; font-weight: 600; padding: .2rem 0; }
@media (max-width: 40rem) { .stack thead { display: none; }
  .stack tr { display: block; padding: .5rem 0; border-bottom: 1px solid var(--line); }
  .stack td { display: block; border: 0; padding: .05rem .6rem; text-align: left; }
  .stack td:nth-child(1), .stack td:nth-child(2) { font-weight: 600; }
  .stack td:nth-child(n+3) { color: var(--soft); } }
@media (min-width: 52rem) { .columns { columns: 2; column-gap: 1.2rem; }
  .columns figure { break-inside: avoid; } }
"""
