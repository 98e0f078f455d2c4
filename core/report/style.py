"""The report's style sheet: light and dark by the reader's system, and for paper."""

CSS = """
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --card: #ffffff; --ink: #1d2329; --soft: #5b6670; --line: #e2dfd8;
  --accent: #0b5d7a; --good: #0b6e5f; --care: #8a5a00; --bad: #a3330b;
  --good-bg: #e0f1ed; --care-bg: #fbefd5; --bad-bg: #fbe4da;
  --gcp: #2f7fb5; --check: #d98200;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14181c; --card: #1c2127; --ink: #e8e6e1; --soft: #9aa5af; --line: #313940;
    --accent: #7cc7e8; --good: #6fd3bd; --care: #f0bf5c; --bad: #ff9a73;
    --good-bg: #14332e; --care-bg: #3a2d10; --bad-bg: #43211a;
    --gcp: #56b4e9; --check: #e69f00;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Helvetica Neue", sans-serif;
}
main { max-width: 1120px; margin: 0 auto; padding: 56px 32px 96px; }
header p.over { margin: 0 0 6px; color: var(--soft); letter-spacing: .08em; text-transform: uppercase;
  font-size: 13px; }
h1 { font-size: 32px; line-height: 1.2; font-weight: 650; margin: 0 0 10px; letter-spacing: -.01em;
  overflow-wrap: anywhere; }
h1 .to { color: var(--soft); font-weight: 400; }
header p { margin: 0; color: var(--soft); }
h2 { font-size: 22px; font-weight: 650; margin: 72px 0 6px; letter-spacing: -.005em; }
h2 + p { margin: 0 0 22px; color: var(--soft); max-width: 75ch; }
h3 { font-size: 16px; font-weight: 650; margin: 32px 0 8px; }
.verdict { margin: 36px 0 0; padding: 24px 28px; border-radius: 14px; display: grid;
  grid-template-columns: auto 1fr; gap: 4px 20px; }
.verdict .sign { width: 44px; height: 44px; grid-row: span 2; }
.verdict strong { font-size: 22px; line-height: 44px; }
.verdict ul { margin: 2px 0 0; padding-left: 18px; }
.verdict li + li { margin-top: 4px; }
.trusted { background: var(--good-bg); } .trusted strong { color: var(--good); }
  .trusted .sign { fill: var(--good); }
.care { background: var(--care-bg); } .care strong { color: var(--care); } .care .sign { fill: var(--care); }
.not-trusted { background: var(--bad-bg); } .not-trusted strong { color: var(--bad); }
  .not-trusted .sign { fill: var(--bad); }
.sign path { fill: none; stroke: var(--card); stroke-width: 3.4; stroke-linecap: round;
  stroke-linejoin: round; }
.cards { display: grid; grid-template-columns: repeat(4, 1fr); gap: 16px; margin-top: 20px; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 20px 22px; }
.card .name { color: var(--soft); font-size: 14px; }
.card .value { font-size: 30px; font-weight: 650; line-height: 1.25; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.card .value .minor { display: block; font-size: 15px; font-weight: 400; min-height: 23px; }
.card .why { color: var(--soft); font-size: 13.5px; line-height: 1.45; margin-top: 8px; }
.minor { color: var(--soft); }
.none { color: var(--soft); }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 20px; }
figure { margin: 0 0 20px; }
figcaption { font-size: 14px; color: var(--soft); margin-top: 8px; }
figcaption b { color: var(--ink); font-weight: 650; }
.picture { display: block; width: 100%; height: auto; border-radius: 10px; background: #000; }
.cells { image-rendering: pixelated; }
.blend { isolation: isolate; } .blend rect { mix-blend-mode: multiply; }
.defs { position: absolute; }
.swatch { display: inline-block; width: 12px; height: 12px; border-radius: 3px; margin: 0 5px -1px 0;
  border: 1px solid #0003; }
.gcp path { fill: none; stroke-width: 2; stroke-linecap: round; }
.gcp circle, .gcp rect { stroke: #0d1216; stroke-width: 1; }
.off { fill: none; stroke: #c9ced3; stroke-width: 1.6; }
.legend { margin: 10px 0 0; font-size: 14px; color: var(--soft); display: flex; flex-wrap: wrap;
  gap: 6px 22px; align-items: center; }
.key { display: inline-flex; align-items: center; gap: 7px; }
.key i { width: 14px; height: 14px; border-radius: 50%; border: 1px solid #0006; }
.key svg { overflow: visible; } .shape * { fill: var(--soft); } .shape path, .bar path { fill: none;
  stroke: var(--ink); stroke-width: 1.6; }
.chart { width: 100%; max-width: 860px; height: auto; display: block; }
.chart text { font-size: 13px; fill: var(--soft); } .chart text.strong { fill: var(--ink); }
.gcp-bar { fill: var(--gcp); } .check-bar { fill: var(--check); }
.axis { stroke: var(--soft); } .grid { stroke: var(--line); } .mark { stroke: var(--ink);
  stroke-dasharray: 4 3; }
.axis, .grid, .mark { fill: none; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--soft); }
th, td { padding: 7px 12px; border-bottom: 1px solid var(--line); vertical-align: baseline; }
td.n, th.n { text-align: right; white-space: nowrap; }
.scroll { max-height: 430px; overflow: auto; border: 1px solid var(--line); border-radius: 12px;
  background: var(--card); }
.scroll th { position: sticky; top: 0; background: var(--card); box-shadow: inset 0 -1px var(--line);
  white-space: nowrap; }
.scroll td { padding-top: 4px; padding-bottom: 4px; white-space: nowrap; }
tr.off-row td { color: var(--soft); text-decoration: line-through; text-decoration-color: var(--line); }
.dot { display: inline-block; width: 9px; height: 9px; border-radius: 50%; background: var(--gcp);
  margin-right: 7px; }
.dot.check { border-radius: 1px; background: var(--check); }
.facts { margin: 0; display: grid; gap: 0; }
.facts > div { display: grid; grid-template-columns: 210px 1fr; gap: 16px; padding: 7px 0;
  border-bottom: 1px solid var(--line); font-size: 15px; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
.figures td:first-child { font-weight: 600; white-space: nowrap; }
  .figures td:last-child { color: var(--soft); }
code, pre { font: 13px/1.5 ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--card);
  border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px; max-height: 420px; overflow: auto; }
.matrix { width: auto; } .matrix td { border: 0; padding: 1px 14px 1px 0; text-align: right;
  font-size: 14px; }
details { margin: 14px 0; } summary { cursor: pointer; color: var(--accent); }
.chips { display: flex; flex-wrap: wrap; gap: 8px; margin: 0; padding: 0; list-style: none; font-size: 14px; }
.chips li { border: 1px solid var(--line); border-radius: 999px; padding: 3px 12px;
  background: var(--card); color: var(--soft); }
.chips b { color: var(--ink); font-weight: 600; }
.empty { color: var(--soft); }
footer { margin-top: 72px; padding-top: 18px; border-top: 1px solid var(--line); color: var(--soft);
  font-size: 14px; }
@media (max-width: 860px) {
  main { padding: 32px 18px 64px; } .cards { grid-template-columns: 1fr 1fr; }
    .pair { grid-template-columns: 1fr; }
  .facts > div { grid-template-columns: 1fr; gap: 0; }
}
@media print {
  :root { --paper: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc; }
  body { font-size: 11pt; } main { max-width: none; padding: 0; }
  h2 { margin-top: 28px; break-after: avoid; } figure, .card, .verdict, svg { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .scroll { max-height: none; overflow: visible; border: 0; }
    .scroll tbody tr:nth-child(n+41) { display: none; }
}
"""
