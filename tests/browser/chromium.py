"""The browser: the system's Chromium or Chrome, else Debian's package, else Playwright's own.

`python tests/browser/chromium.py` finds it, or installs it, and says where it is.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    "--no-sandbox",  # of no use to root in a container, and refused there
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--font-render-hinting=none",
    "--disable-lcd-text",
    # No name but this machine's is found: what asks for anything remote fails, besides being told of.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)
MISSING = "No Chromium: install the package `chromium` or name an executable in CITYCHECK_CHROMIUM."


def find() -> str | None:
    """The system's browser; CITYCHECK_CHROMIUM names another one."""
    named = os.environ.get("CITYCHECK_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), None)


def find_or_install() -> str | None:
    """The executable; None for Playwright's own browser. Ends in one sentence when there is none and none can be had."""
    if found := find():
        return found
    if os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "--yes", "--no-install-recommends", "chromium", "fonts-noto-cjk"]
        for command in (["apt-get", "update"], install):
            quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, env=quiet)
        if found := find():
            return found
    command = [sys.executable, "-m", "playwright", "install", "chromium"]
    if subprocess.run(command, check=False, capture_output=True).returncode:
        raise SystemExit(MISSING)
    return None


if __name__ == "__main__":
    print(find_or_install() or "Playwright's own Chromium")
