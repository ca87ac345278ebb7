"""What every page is made of: its frame and style, tables, lists; and the escape that everything passes. Pure."""

from collections.abc import Iterable, Sequence
from html import escape

from modeltrail_server.cli.rendering.style import printable

PAIR = 2
STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --line: #d9dee5; --ground: #ffffff;
  --card: #f6f8fa; --good: #1a7f37; --bad: #b42318; --weak: #8a5a00; --data: #0b62b8; --model: #7a3fb0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa6b5; --line: #323b47; --ground: #12161c;
  --card: #1a2029; --good: #4cc26d; --bad: #ff7b6e; --weak: #e3b341; --data: #6cb2ff; --model: #c79bf2; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 68rem; padding: 1.5rem 1rem 3rem; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .3rem; overflow-wrap: anywhere; line-height: 1.25; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
p { margin: .3rem 0 .6rem; max-width: 46rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); } .weak { color: var(--weak); }
.chips { display: flex; flex-wrap: wrap; gap: .4rem; margin: .5rem 0 1rem; padding: 0; list-style: none; }
.chips li { border: 1px solid var(--line); border-radius: 1rem; padding: .1rem .7rem; background: var(--card);
  font-size: .85rem; overflow-wrap: anywhere; }
.scroll.end { direction: rtl; } .scroll.end svg { direction: ltr; display: block; }
svg { max-width: 100%; height: auto; display: block; }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: .5rem; background: var(--card); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .35rem .7rem; border-top: 1px solid var(--line); }
tr:first-child > * { border-top: 0; }
th { font-weight: 600; font-size: .85rem; color: var(--soft); white-space: nowrap; }
td { overflow-wrap: anywhere; min-width: 6.5rem; } td:first-child { min-width: 9rem; } .n { text-align: right; }
table.pairs td:first-child { width: 12rem; }
code, pre { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
code { overflow-wrap: anywhere; } pre { margin: 0; padding: .8rem; }
.meter { height: .5rem; max-width: 20rem; border-radius: .25rem; background: var(--line); overflow: hidden; }
.meter i { display: block; height: 100%; background: var(--good); } .meter.no i { background: var(--bad); }
ul.findings { list-style: none; padding: 0; margin: .8rem 0 0; } ul.findings li { margin: 0 0 .6rem; }
details { margin-top: .6rem; } summary { cursor: pointer; color: var(--soft); }
svg text { font: 12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; fill: var(--ink); }
svg .k { fill: var(--soft); font-size: 10.5px; } svg .d { fill: var(--good); font-size: 10.5px; }
svg .f { fill: var(--bad); font-size: 10.5px; font-weight: 600; }
svg rect { fill: var(--ground); stroke: var(--line); stroke-width: 1.2; }
svg path { fill: none; stroke: var(--soft); }
svg .dataset rect { stroke: var(--data); } svg .model rect { stroke: var(--model); }
svg .start rect { stroke-width: 2.6; } svg .warn rect { stroke: var(--bad); stroke-dasharray: 4 3; }
svg .inferred { stroke-dasharray: 3 3; }
footer { margin-top: 2.5rem; font-size: .8rem; color: var(--soft); }
@media (max-width: 34rem) { body { padding: 1rem .7rem 2rem; } th, td { padding: .3rem .45rem; }
  td:first-child { min-width: 6.5rem; } table.pairs td:first-child { width: 9rem; } }
@media print { .scroll { overflow: visible; } details { display: block; } }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """Return the whole document; ``title`` is text, ``parts`` are markup."""
    body = "\n".join(part for part in parts if part)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{STYLE}</style></head>\n"
        f"<body>\n{body}\n<footer>Written by modeltrail from the recorded events.</footer>\n</body></html>\n"
    )


def text(value: object) -> str:
    """Return ``value`` as text that means nothing but itself in HTML and in an attribute."""
    return escape(printable(str(value)).encode("utf-8", "replace").decode(), quote=True)


def paragraph(value: str) -> str:
    """Return lines of text as a paragraph; nothing for nothing."""
    lines = "<br>".join(text(line) for line in value.strip().splitlines())
    return f"<p>{lines}</p>" if lines else ""


def chips(words: Iterable[tuple[str, str]]) -> str:
    """Return (word, class) as a row of labels."""
    items = "".join(f'<li class="{style}">{text(word)}</li>' for word, style in words)
    return f'<ul class="chips">{items}</ul>' if items else ""


def section(heading: str, content: str) -> str:
    """Return ``content`` (markup) under a heading; nothing where it is empty."""
    return f"<h2>{text(heading)}</h2>\n{content}" if content else ""


def table(rows: Sequence[Sequence[str]], *, header: Sequence[str] = (), numbers: Sequence[int] = ()) -> str:
    """Return rows of markup as a table that scrolls where it is too wide; nothing where there are no rows."""
    if not rows:
        return ""
    classes = (' class="n"' if index in numbers else "" for index in range(len(header)))
    words = "".join(f"<th{style}>{text(word)}</th>" for style, word in zip(classes, header, strict=True))
    head = f"<tr>{words}</tr>" if header else ""
    style = ' class="pairs"' if len(rows[0]) == PAIR else ""
    body = "".join(
        f"<tr>{''.join(_cell(cell, index in numbers) for index, cell in enumerate(row))}</tr>" for row in rows
    )
    return f'<div class="scroll"><table{style}>{head}{body}</table></div>'


def folded(summary: str, content: str) -> str:
    """Return ``content`` (markup), shown when its summary is opened; nothing where it is empty."""
    return f"<details><summary>{text(summary)}</summary>{content}</details>" if content else ""


def code(value: str) -> str:
    """Return text as code."""
    return f"<code>{text(value)}</code>"


def _cell(markup: str, is_number: bool) -> str:
    return f'<td class="n">{markup}</td>' if is_number else f"<td>{markup}</td>"
