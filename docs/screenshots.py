"""Make the pages and photograph some of them, as a browser shows them: `python docs/screenshots.py FOLDER`.

Needs Sphinx (the dependency group `docs`) and Chromium or Chrome on PATH. Ends with exit status 1 where a page is wider
than the window that it was opened in, beside tables and blocks that scroll by themselves.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

DOCS = Path(__file__).parent
PAGES = ("index", "tutorial", "reference/settings", "reference/front-ends")
WIDTHS = (1280, 400)
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
HEIGHT = 2400

# Chromium opens no window narrower than 500 pixels: a page is shown in a frame, which says its width in the
# title.
FRAME = """<!doctype html>
<style>body {{ margin: 0 }} iframe {{ border: 0; width: {width}px; height: {height}px }}</style>
<iframe src="{page}" onload="document.title = this.contentDocument.documentElement.scrollWidth"></iframe>
"""


def main(arguments: list[str]) -> int:
    """Return 0 if no page is wider than its window."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        print(f"none of {', '.join(BROWSERS)} is on PATH", file=sys.stderr)
        return 1
    folder = Path(arguments[0]).resolve()
    html = folder / "html"
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(DOCS), str(html)], check=True)
    wide = []
    for page in PAGES:
        for width in WIDTHS:
            frame = html / f"frame-{width}.html"
            frame.write_text(FRAME.format(width=width, height=HEIGHT, page=f"{page}.html"), encoding="utf-8")
            picture = folder / f"{page.replace('/', '-')}-{width}.png"
            command = [browser, "--headless", "--no-sandbox", "--hide-scrollbars", "--allow-file-access-from-files"]
            command += ["--virtual-time-budget=5000", f"--window-size={max(width, 500)},{HEIGHT}"]
            subprocess.run([*command, f"--screenshot={picture}", frame.as_uri()], check=True, capture_output=True)
            said = subprocess.run([*command, "--dump-dom", frame.as_uri()], check=True, capture_output=True, text=True)
            shown = int(said.stdout.partition("<title>")[2].partition("</title>")[0] or 0)
            print(f"{picture}: {shown} of {width} pixels")
            if not 0 < shown <= width:
                wide.append(picture)
            frame.unlink()
    return 1 if wide else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
