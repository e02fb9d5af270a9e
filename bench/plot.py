"""Draws what `make peers` printed: messages per second of ours and of the peers, median and spread.

    make peers > peers.json;  python bench/plot.py < peers.json > docs/performance.svg

The scale is logarithmic, and says so. The picture has a ground of its own, so that it looks the same on dark and light pages.
"""

from __future__ import annotations

import json
import math
import sys

NAMES = {"rogatory": "Rogatory, logged receipt", "smime": "S/MIME over Postfix, no receipt", "as2": "AS2 (pyas2lib), signed MDN"}
COLOURS = {"rogatory": "#1f6f54", "smime": "#8a8f98", "as2": "#8a8f98"}
LEFT, RIGHT, ROW, TOP = 230, 700, 44, 62


def place(rate: float, most: float) -> float:
    """Where a rate stands: 1 at the left, the next power of ten beyond ``most`` at the right."""
    return LEFT + (RIGHT - LEFT) * math.log10(max(rate, 1)) / math.ceil(math.log10(most))


def draw(found: dict) -> str:
    """The picture as SVG."""
    most = max(found[name]["most"] for name in NAMES)
    height = TOP + ROW * len(NAMES) + 34
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 760 {height}" font-family="sans-serif" font-size="14" role="img">',
        "<title>Messages per second, 4 KiB, signed and encrypted, 2 cores, one session</title>",
        f'<rect width="760" height="{height}" rx="6" fill="#fbfbf8" stroke="#d5d5cf"/>',
        '<text x="20" y="30" fill="#222" font-size="16">Messages per second, 4 KiB, signed and encrypted (logarithmic scale)</text>',
    ]
    for power in range(math.ceil(math.log10(most)) + 1):
        x = place(10**power, most)
        out.append(f'<line x1="{x:.1f}" y1="{TOP - 10}" x2="{x:.1f}" y2="{height - 30}" stroke="#dcdcd6"/>')
        out.append(f'<text x="{x:.1f}" y="{height - 12}" fill="#555" text-anchor="middle">{10**power:,}</text>')
    for number, (name, title) in enumerate(NAMES.items()):
        y, rate = TOP + ROW * number, found[name]
        end, low, high = (place(rate[key], most) for key in ("median", "least", "most"))
        out.append(f'<text x="20" y="{y + 17}" fill="#222">{title}</text>')
        out.append(f'<rect x="{LEFT}" y="{y}" width="{end - LEFT:.1f}" height="24" fill="{COLOURS[name]}"/>')
        out.append(f'<line x1="{low:.1f}" y1="{y + 12}" x2="{high:.1f}" y2="{y + 12}" stroke="#222" stroke-width="2"/>')
        out.append(f'<text x="{max(end, high) + 8:.1f}" y="{y + 17}" fill="#222">{rate["median"]:,.0f}</text>')
    return "\n".join([*out, "</svg>"]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(draw(json.loads(sys.stdin.read().splitlines()[-1])))
