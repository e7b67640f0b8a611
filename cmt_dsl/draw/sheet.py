"""A difference as one HTML file: the drawing of both sides above the lists of changes."""

from __future__ import annotations

import html
from collections.abc import Iterator

from cmt_dsl.diff import Difference
from cmt_dsl.diff.folded import folded, folded_paths
from cmt_dsl.draw.units import plain, short

LOOK = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1f2937; --rule: #cbd5e1; --soft: #6b7280 }
@media (prefers-color-scheme: dark) { :root { --paper: #0f172a; --ink: #e2e8f0; --rule: #334155; --soft: #94a3b8 } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem;
  background: var(--paper); color: var(--ink) }
figure { margin: 1rem 0; overflow-x: auto; background: #fff; border-radius: 8px }
table { border-collapse: collapse; margin-bottom: 1rem } td, th { padding: .15rem .8rem .15rem 0; text-align: left;
  border-bottom: 1px solid var(--rule); overflow-wrap: anywhere } td.n, th.n { text-align: right }
.a { color: #dc2626 } .b { color: #16a34a } svg { max-width: 100%; height: auto }
"""


def sheet(difference: Difference, svg: str) -> str:
    """The page; `svg` is the drawing of both sides, which goes in as it is."""
    return "\n".join(_lines(difference, svg[svg.index("<svg") :])) + "\n"


def _lines(d: Difference, svg: str) -> Iterator[str]:
    title = _text(f"{d.names[0]} → {d.names[1]}")
    yield f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
    yield '<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy"'
    yield f" content=\"default-src 'none'; style-src 'unsafe-inline'\"><style>{LOOK}</style></head><body>"
    yield f"<h1>{title}</h1>"
    if d.empty:
        yield "<p>No difference.</p>"
    if d.spec:
        yield "<h2>Spec</h2>"
        yield from _table((".".join(w for w in (c.path, c.attribute) if w), c.a, c.b) for c in d.spec)
    yield "<h2>Cost</h2><table><tr><th></th>"
    yield "".join(f'<th class="n">{word}</th>' for word in ("Δ parameters", "Δ MACs")) + "</tr>"
    for part in d.parts:
        deltas = "".join(f'<td class="n">{_delta(part.delta(f))}</td>' for f in ("trainable", "macs"))
        yield f"<tr><td>{_text(part.path)}</td>{deltas}</tr>"
    yield "</table>"
    for word, paths in (("Added", folded_paths(d.added)), ("Removed", folded_paths(d.removed))):
        if paths:
            yield f"<h2>{word}</h2><ul>{''.join(f'<li>{_text(p)}</li>' for p in paths)}</ul>"
    if d.renamed:
        yield "<h2>Renamed or moved</h2>"
        yield from _table(("", a, b) for a, b in d.renamed)
    yield f"<figure>{svg}</figure>"
    if d.changed:
        yield "<h2>Operators</h2>"
        yield from _table((f"{path}.{key}", a, b) for path, key, a, b in folded(d.changed))
    yield "</body></html>"


def _table(rows: Iterator[tuple[str, object, object]]) -> Iterator[str]:
    yield "<table>"
    for path, a, b in rows:
        cells = f'<td class="a">{_value(a)}</td><td class="b">{_value(b)}</td>'
        yield f"<tr><td>{_text(path)}</td>{cells}</tr>"
    yield "</table>"


def _text(words: str) -> str:
    return html.escape(plain(words))


def _value(value: object) -> str:
    return "absent" if value is None else _text(str(value))


def _delta(number: int) -> str:
    return f"{'+' if number > 0 else '−'}{short(abs(number))}" if number else "0"
