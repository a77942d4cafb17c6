"""What can be wrong with a page that loads without complaint."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
"""The rules of WCAG 2.2 up to level AA."""

MAX_SHIFT = 0.02
"""Of the layout, as browsers count it: less than a line of text; up to 0.1 is called good."""

# counts from the first moment, so it has to stand in the page before anything else
COUNT_SHIFTS = """
window.shifted = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    if (entry.hadRecentInput) continue;
    const nodes = entry.sources.map(({ node }) => node?.outerHTML?.slice(0, 80) ?? '?');
    window.shifted.push([entry.value, nodes.join(' and ')]);
  }
}).observe({ type: 'layout-shift', buffered: true });
"""
_AXE = """async ([rules, without]) => {
  const found = await axe.run(
    { include: [['html']], exclude: without.map((selector) => [selector]) },
    { runOnly: { type: 'tag', values: rules }, resultTypes: ['violations'] },
  );
  return found.violations.map(({ id, help, nodes }) => [
    id,
    help,
    nodes.map(({ html, any, all, none }) =>
      [html.slice(0, 200), ...[...any, ...all, ...none].map(({ message }) => message)]),
  ]);
}"""
_TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.body.querySelectorAll('*')]
    .filter((element) => element.getBoundingClientRect().right > width + 1)
    .slice(0, 5).map((element) => element.outerHTML.slice(0, 120));
}"""


def barriers(page: Page, others: Path, without: tuple[str, ...] = ()) -> list[str]:
    """Return where *page* shuts out people, according to axe-core; *without* are CSS selectors."""
    page.evaluate(_source(others / "axe-core" / "axe.min.js"))
    found: list[Any] = page.evaluate(_AXE, [AA, list(without)])
    return [
        f"{rule}: {meaning}: {' | '.join(node)}" for rule, meaning, nodes in found for node in nodes
    ]


def too_wide(page: Page) -> list[str]:
    """Return what reaches past the window's right edge."""
    return [f"too wide: {element}" for element in page.evaluate(_TOO_WIDE)]


def shifts(page: Page, most: float = MAX_SHIFT) -> list[str]:
    """Return what moved after it had been shown, if that is more than nothing."""
    found = page.evaluate("window.shifted")
    moved = sum(value for value, _ in found)
    return [f"shifted by {value:.3f}: {nodes}" for value, nodes in found] if moved > most else []


@cache
def _source(path: Path) -> str:
    return path.read_text(encoding="utf-8")
